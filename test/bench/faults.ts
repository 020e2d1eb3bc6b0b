import { runSeed } from '../simulation/support/fault-world.ts';
import { writeResult } from './machine.ts';

/**
 * Runs many seeds of the fault simulation on one thread: `npm run bench:faults [-- SEEDS [FIRST]]`; default: 10,000 from 0. Fails if
 * a seed does.
 */
const seeds = Number(process.argv[2] ?? 10_000);
const first = Number(process.argv[3] ?? 0);
if (!(seeds > 0 && Number.isInteger(first))) throw new Error(`seeds: ${process.argv.slice(2).join(' ')}; give numbers`);

const COUNTS = [
  'steps',
  'requests',
  'retries',
  'duplicates',
  'late',
  'messagesLost',
  'messagesDuplicated',
  'plansAccepted',
  'plansRejected',
] as const;
const total: Record<string, number> = {};
const faults: Record<string, number> = {};
const outcomes: Record<string, number> = {};
const ended: Record<string, number> = {};
const failed: { seed: number; violation: string }[] = [];
let mostAnswers = 0;

function add(to: Record<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const name in counts) to[name] = (to[name] ?? 0) + counts[name];
}

const startedAt = performance.now();
for (let seed = first; seed < first + seeds; seed++) {
  const report = await runSeed(seed);
  add(faults, report.faults);
  add(outcomes, report.outcomes);
  add(ended, report.ended);
  for (const name of COUNTS) total[name] = (total[name] ?? 0) + report[name];
  mostAnswers = Math.max(mostAnswers, report.mostAnswers);
  const [violation] = report.violations;
  if (violation !== undefined) failed.push({ seed, violation });
  if ((seed - first + 1) % 1_000 === 0) process.stderr.write(`${seed - first + 1} of ${seeds} seeds, ${failed.length} failed\n`);
}
const wallSeconds = (performance.now() - startedAt) / 1_000;

const result = { seeds, first, wallSeconds, failed, faults, ended, ...total, outcomes, mostAnswers };
console.log(JSON.stringify(result, null, 2));
console.log(`written to ${writeResult('faults', result)}`);
if (failed.length > 0) process.exitCode = 1;
