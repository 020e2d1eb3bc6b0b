/**
 * The evaluation of the CascadeServe paper (§6) on the two made-up families of its scale, in the simulator: one page and one JSON
 * file. Models, runtimes and devices are made up; the strategies, their search and the simulator are real.
 *
 * Usage: npm run paper [-- OPTIONS]
 *   --full         20 minutes of load, all numbers of devices up to 16, the deployments' ranges: hours; small by default
 *   --only NAME    bert-like or llama-like
 * Figures 10 and 13 are those of the last bench:planner and bench:fidelity, where there are any.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadDeployment } from '../../plans/domain/deployment/deployment.ts';
import { readBenchResults } from '../../plans/evaluation/bench-results.ts';
import { compareStrategies } from '../../plans/evaluation/compare.ts';
import { comparisonPage, type PagePart } from '../../plans/evaluation/page/page.ts';
import { comparisonTables } from '../../plans/evaluation/page/tables.ts';
import { STRATEGY_NAMES } from '../../plans/evaluation/strategies/names.ts';
import { profileOfSynthetic } from '../../plans/synthetic/synthetic-deployment.ts';
import { parseTrace, scaleToPeak, stretchTrace } from '../../plans/traces/trace.ts';
import { writeResult } from './machine.ts';
import { PAPER_CASES } from './planner-cases.ts';

const SEED = 1;
const FULL_SECONDS = 1_200;
const FULL_DEVICES = Array.from({ length: 16 }, (_, i) => i + 1);
const SMALL_RANGES = 8;

/** Peaks are the paper's. */
const CASES = {
  'bert-like': { peakQps: 7_600, p95LevelsMs: [100, 200, 400], seconds: 60, devices: [1, 2, 3, 4, 6, 8], ablated: [1, 2] },
  'llama-like': {
    peakQps: 60,
    p95LevelsMs: [1_000, 2_000, 4_000],
    seconds: 120,
    devices: [1, 2, 3, 4, 6, 8, 12, 16],
    ablated: [4, 8],
  },
} as const;

const { values } = parseArgs({ options: { full: { type: 'boolean', default: false }, only: { type: 'string' } } });
if (values.only !== undefined && !PAPER_CASES.some((name) => name === values.only))
  throw new Error(`--only ${values.only}: there is ${PAPER_CASES.join(', ')}`);

const results = fileURLToPath(new URL('results/', import.meta.url));
const file = fileURLToPath(new URL('../../conf/fashion/trace.csv', import.meta.url));
const crowds = parseTrace(readFileSync(file, 'utf8'), file);
const parts: PagePart[] = [];
for (const name of PAPER_CASES.filter((each) => values.only === undefined || each === values.only)) {
  const { peakQps, p95LevelsMs, seconds, devices, ablated } = CASES[name];
  const deployment = loadDeployment(fileURLToPath(new URL(`../../conf/synthetic/${name}`, import.meta.url)));
  const startedMs = performance.now();
  const { comparison } = await compareStrategies({
    deployment,
    profile: profileOfSynthetic(deployment),
    trace: scaleToPeak(stretchTrace(crowds, values.full ? FULL_SECONDS : seconds), peakQps),
    seed: SEED,
    strategies: STRATEGY_NAMES,
    deviceCounts: values.full ? FULL_DEVICES : devices,
    ablatedCounts: values.full ? undefined : ablated,
    p95LevelsMs,
    ranges: values.full ? undefined : SMALL_RANGES,
    progress: () => undefined,
    nowMs: () => performance.now(),
  });
  console.log(`${name}, ${((performance.now() - startedMs) / 1000).toFixed(0)} s\n${comparisonTables(comparison)}`);
  parts.push({ comparison, bench: readBenchResults(results) });
}
const written = writeResult('paper', { full: values.full, comparisons: parts.map(({ comparison }) => comparison) });
const page = written.replace(/json$/, 'html');
writeFileSync(page, comparisonPage(parts));
console.log(`written to ${written} and ${page}`);
