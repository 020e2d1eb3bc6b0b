/**
 * Planning time of the two cases of the paper's scale (conf/synthetic) by number of QPS ranges, with two worker threads: wall-clock
 * time, which depends on what else the machine does, and processor time of all threads.
 *
 * Usage: npm run bench:planner
 */
import { loadavg } from 'node:os';
import Table from 'cli-table3';
import { planGears } from '../../plans/planner/planner.ts';
import { writeResult } from './machine.ts';
import { PAPER_CASES, paperCase } from './planner-cases.ts';
import { processorSeconds } from './processor-time.ts';

const RANGES = [8, 16, 32, 64, 128];
const THREADS = 2;
const TARGET_SECONDS = 10;

const rows: {
  name: string;
  ranges: number;
  seconds: number;
  processorSeconds: number;
  simulations: number;
  accuracy: number;
  p95Ms: number;
}[] = [];
for (const name of PAPER_CASES) {
  for (const ranges of RANGES) {
    const request = paperCase(name, { ranges });
    const started = performance.now();
    const stop = processorSeconds();
    const result = await planGears(request, { threads: THREADS });
    const seconds = (performance.now() - started) / 1000;
    if (result.type === 'infeasible') throw new Error(`${name}: ${result.reason}`);
    const { expected, search } = result.plan;
    rows.push({
      name,
      ranges,
      seconds,
      processorSeconds: stop(),
      simulations: Number(search.simulations),
      accuracy: expected.accuracy,
      p95Ms: expected.latencyMsP95,
    });
  }
}

/** Slope of log(time) over log(ranges) by least squares; 1 means linear growth. */
function growth(own: readonly { ranges: number; processorSeconds: number }[]): number {
  const points = own.map(({ ranges, processorSeconds: time }) => [Math.log(ranges), Math.log(time)]);
  const mean = (k: number): number => points.reduce((sum, point) => sum + point[k], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  return points.reduce((sum, p) => sum + (p[0] - x) * (p[1] - y), 0) / points.reduce((sum, p) => sum + (p[0] - x) ** 2, 0);
}

const table = new Table({
  head: ['case', 'ranges', 'wall s', 'processor s', 'simulations', 'accuracy', 'p95 ms'],
  style: { head: [], border: [] },
});
for (const row of rows)
  table.push([
    row.name,
    row.ranges,
    row.seconds.toFixed(1),
    row.processorSeconds.toFixed(1),
    row.simulations,
    row.accuracy.toFixed(4),
    row.p95Ms.toFixed(1),
  ]);
console.log(table.toString());
const cases = PAPER_CASES.map((name) => {
  const own = rows.filter((row) => row.name === name);
  const atPaper = own.find((row) => row.ranges === 16);
  return { name, growth: growth(own), seconds: atPaper?.seconds, met: (atPaper?.seconds ?? Infinity) <= TARGET_SECONDS };
});
for (const { name, growth: slope, seconds, met } of cases)
  console.log(
    `${name}: ${seconds?.toFixed(1)} s at 16 ranges (target ${TARGET_SECONDS} s: ${met ? 'met' : 'missed'}); time grows as ranges^${slope.toFixed(2)}`,
  );
console.log(`written to ${writeResult('planner-time', { synthetic: true, threads: THREADS, load: loadavg(), cases, rows })}`);
