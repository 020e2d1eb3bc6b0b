/**
 * How strategies handle a flash crowd live (CascadeServe Fig. 8, 9): conf/fashion with its models on one CPU device, profiled now. Ours,
 * DynBa and MS+ each run the gear plan that their search finds, on the same serving plane, one after the other in each round, under the
 * load generator of test/bench/support/generator in its own process.
 *
 * Usage: npm run bench:strategies [-- OPTIONS]; about 6 minutes
 *   --calm N      requests/s before and after the crowd; 1000
 *   --crowd N     factor on the load in the crowd; 4
 *   --rounds N    rounds, of which the median counts; 2
 *   --folder DIR  keeps the profile here and reuses an existing one
 *   --beside-other-work   says in the result that the machine was not quiet
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { loadDeployment } from '../../plans/domain/deployment/read-deployment.ts';
import { writePlan } from '../../plans/domain/gear-plan/plan-file.ts';
import { readProfile } from '../../plans/domain/profile/profile-file.ts';
import type { LiveStrategy } from '../../plans/evaluation/bench-results.ts';
import { pointsOf } from '../../plans/evaluation/compare.ts';
import { halves } from '../../plans/evaluation/halves.ts';
import type { MeasuredPoint } from '../../plans/evaluation/points.ts';
import type { Trace } from '../../plans/traces/trace.ts';
import { median, writeResult } from './machine.ts';
import { profileTree, served } from './support/promise/contender.ts';
import { SLO_MS } from './support/promise/generate.ts';
import { type Measured, measure } from './support/promise/measure.ts';

const LIVE = ['cascade', 'dynba', 'ms'] as const;
const SKIPPED_SECONDS = 4;
const PHASE_SECONDS = 12;
const RANGES = 8;
/** Settings are chosen in the simulator at this factor of the load and for a share of the SLO's latency: the same headroom for all. */
const LOAD_FACTOR = 1.25;
const SLO_SHARE = 0.5;
/** Share of the seconds that must meet the SLO. */
const LEAST_SHARE = 0.95;

const { values } = parseArgs({
  options: {
    calm: { type: 'string', default: '1000' },
    crowd: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '2' },
    folder: { type: 'string' },
    'beside-other-work': { type: 'boolean', default: false },
  },
});
const [calmQps, crowd, rounds] = (
  [
    ['calm', values.calm],
    ['crowd', values.crowd],
    ['rounds', values.rounds],
  ] as const
).map(([option, text]) => {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${option}: ${text}; give a number above 0`);
  return value;
});

const steps = [
  [SKIPPED_SECONDS + PHASE_SECONDS, calmQps],
  [PHASE_SECONDS, crowd * calmQps],
  [PHASE_SECONDS, calmQps],
] as const;
const trace: Trace = {
  qps: Float64Array.from(steps.flatMap(([seconds, qps]) => new Array<number>(seconds).fill(LOAD_FACTOR * qps))),
};

/** The most accurate settings that meet the SLO in enough seconds; if none do, those that meet it in the most seconds. */
function chosenOf(points: readonly MeasuredPoint[]): MeasuredPoint {
  const within = ({ windows }: MeasuredPoint): number =>
    windows.filter(({ p95Ms }) => p95Ms !== null && p95Ms <= SLO_SHARE * SLO_MS).length / windows.length;
  const enough = points.filter((point) => within(point) >= LEAST_SHARE);
  const [best] =
    enough.length > 0
      ? enough.toSorted((a, b) => b.accuracy - a.accuracy || a.p95Ms - b.p95Ms)
      : points.toSorted((a, b) => within(b) - within(a) || b.accuracy - a.accuracy);
  if (best === undefined)
    throw new Error(`no settings keep up with ${crowd * calmQps} requests/s on this machine; try a lower --calm`);
  return best;
}

const into = values.folder === undefined ? mkdtempSync(join(tmpdir(), 'cascade-strategies-')) : resolve(values.folder);
mkdirSync(into, { recursive: true });
try {
  const tree = await profileTree('this', resolve('.'), into);
  const deployment = loadDeployment('conf/fashion');
  const asked = {
    deployment,
    ...halves(readProfile(tree.profile)),
    trace,
    seed: 1,
    p95LevelsMs: [SLO_SHARE / 2, SLO_SHARE, 1].map((share) => share * SLO_MS),
    ranges: RANGES,
    progress: () => undefined,
  };
  const contenders = [];
  for (const strategy of LIVE) {
    const chosen = chosenOf((await pointsOf(strategy, 1, asked)).points);
    if (chosen.candidate.type !== 'plan') throw new Error(`${strategy} found no gear plan`);
    const file = join(into, `${strategy}.plan.json`);
    writePlan(file, chosen.candidate.plan);
    process.stderr.write(
      `${strategy}: ${JSON.stringify(chosen.settings)}, simulated ${(100 * chosen.accuracy).toFixed(2)} % right\n`,
    );
    contenders.push({ strategy, chosen, contender: served(strategy, tree, file) });
  }
  const runs: Measured[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const { contender } of round % 2 === 0 ? contenders : contenders.toReversed()) {
      const run = await measure(contender, { steps, skipSeconds: SKIPPED_SECONDS, seed: round + 1 });
      const { name, attainment, offeredLatencyMs, accuracy, senderLagMs } = run;
      process.stderr.write(
        `${name}, round ${round + 1}: SLO met in ${percent(attainment)} of the seconds, p95 ${ms(offeredLatencyMs.p95)}, ` +
          `accuracy ${percent(accuracy)}, generator late by ${ms(senderLagMs.p99)} (p99)\n`,
      );
      runs.push(run);
    }
  }
  const strategies = contenders.map(({ strategy, chosen }): LiveStrategy => {
    const all = runs.filter(({ name }) => name === strategy);
    const valid = all.filter((run) => !run.void);
    const counted = valid.length > 0 ? valid : all;
    // The chart shows the run with the median attainment, the lower one of two.
    const drawn = counted.toSorted((a, b) => (a.attainment ?? 0) - (b.attainment ?? 0))[(counted.length - 1) >> 1];
    return {
      strategy,
      settings: chosen.settings,
      attainment: median(counted.map(({ attainment }) => attainment ?? 0)),
      p95Ms: finite(median(counted.map(({ offeredLatencyMs }) => offeredLatencyMs.p95 ?? Number.POSITIVE_INFINITY))),
      accuracy: median(counted.map(({ accuracy }) => accuracy ?? 0)),
      accuracyInCrowd: accuracyOf(drawn, SKIPPED_SECONDS + PHASE_SECONDS, SKIPPED_SECONDS + 2 * PHASE_SECONDS),
      accuracyOutside: accuracyOf(drawn, SKIPPED_SECONDS, SKIPPED_SECONDS + PHASE_SECONDS),
      refusedShare: median(counted.map(({ errors, lost, offered }) => (errors + lost) / offered)),
      voidRuns: all.length - valid.length,
      runs: all.length,
      simulated: { attainment: chosen.report.sloAttainment, p95Ms: chosen.p95Ms, accuracy: chosen.accuracy },
      seconds: drawn.windows.slice(SKIPPED_SECONDS).map(({ second, offered, answered, p95Ms, accuracy, met }) => ({
        second: second - SKIPPED_SECONDS,
        offered,
        completed: answered,
        p95Ms,
        accuracy,
        metSlo: met,
      })),
    };
  });
  const table = new Table({
    head: ['', 'SLO met in', 'p95', 'right', 'before the crowd', 'in the crowd', 'refused or late', 'void runs'],
    style: { head: [], border: [] },
  });
  for (const row of strategies)
    table.push([
      row.strategy,
      percent(row.attainment),
      ms(row.p95Ms),
      percent(row.accuracy),
      percent(row.accuracyOutside),
      percent(row.accuracyInCrowd),
      percent(row.refusedShare),
      `${row.voidRuns} of ${row.runs}`,
    ]);
  console.log(table.toString());
  const result = {
    sloMs: SLO_MS,
    calmQps,
    crowdQps: crowd * calmQps,
    searchedAt: { timesTheLoad: LOAD_FACTOR, shareOfSlo: SLO_SHARE },
    rounds,
    besideOtherWork: values['beside-other-work'],
    loadAverage: loadavg(),
    strategies,
  };
  console.log(`written to ${writeResult('strategies', result)}`);
} finally {
  if (values.folder === undefined) rmSync(into, { recursive: true });
}

function accuracyOf({ windows }: Measured, from: number, to: number): number {
  const within = windows.slice(from, to);
  const answered = within.reduce((sum, window) => sum + window.answered, 0);
  return within.reduce((sum, window) => sum + window.answered * (window.accuracy ?? 0), 0) / Math.max(1, answered);
}

function percent(share: number | null): string {
  return share === null ? '-' : `${(100 * share).toFixed(2)} %`;
}

function ms(value: number | null): string {
  return value === null ? 'none' : `${value.toFixed(1)} ms`;
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
