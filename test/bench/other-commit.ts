/**
 * Speed of the simulator and planning time of this commit over those of another one, whose folder has its dependencies installed: the
 * benches `simulator` and `planner-time` of both commits run in turn. A ratio above 1 means that this commit is faster.
 *
 * Usage: npm run bench:other-commit -- <folder of another commit> [rounds]
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import Table from 'cli-table3';
import { median, writeResult } from './machine.ts';

const OTHER = process.argv[2];
const ROUNDS = Number(process.argv[3] ?? 5);
if (OTHER === undefined) throw new Error('usage: npm run bench:other-commit -- <folder of another commit> [rounds]');

/** Speeds by what was measured; higher is better. */
type Speeds = ReadonlyMap<string, number>;

function measure(folder: string): Speeds {
  const { rows: simulated } = run<{ name: string; requestsPerSecond: number }>(folder, 'simulator');
  const { rows: planned } = run<{ name: string; ranges: number; processorSeconds: number; seconds: number }>(
    folder,
    'planner-time',
  );
  return new Map([
    ...simulated.map(({ name, requestsPerSecond }) => [`simulator: ${name}`, requestsPerSecond] as const),
    ...planned.flatMap(({ name, ranges, processorSeconds, seconds }) => [
      [`planning: ${name}, ${ranges} ranges, processor time`, 1 / processorSeconds] as const,
      [`planning: ${name}, ${ranges} ranges, wall-clock time`, 1 / seconds] as const,
    ]),
  ]);
}

function run<Row>(folder: string, bench: string): { rows: Row[] } {
  execFileSync(process.execPath, ['--import', 'tsx', join('test/bench', `${bench}.ts`)], { cwd: folder, stdio: 'ignore' });
  return JSON.parse(readFileSync(join(folder, 'test/bench/results', `${bench}.json`), 'utf8'));
}

const [here, there] = [resolve('.'), resolve(OTHER)];
const rounds: { own: Speeds; other: Speeds }[] = [];
for (let round = 0; round < ROUNDS; round++) {
  const first = measure(round % 2 === 0 ? here : there);
  const second = measure(round % 2 === 0 ? there : here);
  rounds.push(round % 2 === 0 ? { own: first, other: second } : { own: second, other: first });
  console.error(`round ${round + 1} of ${ROUNDS}`);
}
const rows = [...rounds[0].own.keys()].map((what) => {
  const ratios = rounds.map(({ own, other }) => own.get(what)! / other.get(what)!);
  return { what, ratio: median(ratios), lowest: Math.min(...ratios), highest: Math.max(...ratios) };
});
const table = new Table({ head: ['measured', 'this / other', 'lowest', 'highest'], style: { head: [], border: [] } });
for (const { what, ratio, lowest, highest } of rows) table.push([what, ratio.toFixed(3), lowest.toFixed(3), highest.toFixed(3)]);
console.log(table.toString());
console.log(`written to ${writeResult('other-commit', { synthetic: true, rounds: ROUNDS, other: there, rows })}`);
