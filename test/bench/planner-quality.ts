/**
 * Quality of plans against reference planners.
 *
 * 1. Exhaustive search on the reduced space of CascadeServe Fig. 10: every model on every device, queues that trigger at one
 *    request, 8-second runs. All cascades on a coarse grid of thresholds are simulated in every range. Ranges share nothing here, so
 *    combining the best cascade of each range equals trying all combinations. Our planner uses the same cascades without margins, on
 *    its own arrivals.
 *
 *    Both are judged by runs that neither has seen. The search cannot judge itself: it picks the best of hundreds of noisy p95 values,
 *    so its plans look too good in the runs that chose them. It chooses by the median of three runs; the judge takes the median of five
 *    others. At low loads, runs are longer than 8 s: at 10 to 60 requests/s, 8 s are a few hundred requests, whose p95 is mostly chance,
 *    and a cascade that does not keep up could pass. Our planner runs with five seeds, of which the worst counts: by how much the search
 *    is more accurate at no higher p95, and by how much faster at no lower accuracy. The gap at the SLO itself is shown but not
 *    counted: the planner requires 0.955 of the requests to be in time, so it rejects cascades that barely hold, and one of those may
 *    hold in the judge's runs.
 * 2. Random sampling in the same space with twice the processor time of our plan.
 * 3. Greedy placement against the exact program on random small instances.
 *
 * Usage: npm run bench:planner, or this alone: node --import tsx test/bench/planner-quality.ts [seconds of a run]
 */
import Table from 'cli-table3';
import { createRandom } from '../../engine/random.ts';
import { planGears } from '../../plans/planner/planner.ts';
import { exactPlacement } from '../../plans/planner/sp3/exact-placement.ts';
import { pruneReplicas, worstUtilisation } from '../../plans/planner/sp3/prune-replicas.ts';
import { withContext } from '../unit/plans/planner/contexts.ts';
import { randomLoads, randomRequest } from '../unit/plans/planner/random-requests.ts';
import { exhaustivePlans, type Point } from './exhaustive-plans.ts';
import { median, writeResult } from './machine.ts';
import { PAPER_CASES } from './planner-cases.ts';
import { processorSeconds } from './processor-time.ts';
import { evenGear, RANGES, type ReducedRequest, Runs, reducedRequest } from './reduced-space.ts';

/** As in the paper. Another length shows how much of a gap comes from runs too short to reveal an overload. */
const RUN_SECONDS = Number(process.argv[2] ?? 8);
const SEARCH_SEEDS = ['search 1', 'search 2', 'search 3'];
const JUDGE_SEEDS = ['judge 1', 'judge 2', 'judge 3', 'judge 4', 'judge 5'];
/** Seeds in addition to the deployment's; the worst result counts, so that luck does not help. */
const FURTHER_SEEDS = [2, 3, 4, 5];
const LATENCIES = { 'bert-like': [40, 60, 80, 120, 200, 400], 'llama-like': [1200, 1600, 2000, 2800, 4000, 6000] } as const;
const ACCURACY_TOLERANCE = 0.001;
const LATENCY_TOLERANCE = 1.02;
const PLACEMENTS = 200;

interface Ours extends Point {
  /** By how much the search is more accurate at no higher p95. */
  readonly gap: number;
  /** Our p95 divided by the lowest with which the search is as accurate. */
  readonly ratio: number;
}

const quality = [];
for (const name of PAPER_CASES) {
  const request = reducedRequest(name, 1);
  const judge = new Runs(request, RUN_SECONDS, JUDGE_SEEDS);
  const stopExhaustive = processorSeconds();
  const points = exhaustivePlans(request, new Runs(request, RUN_SECONDS, SEARCH_SEEDS), judge);
  const exhaustiveSeconds = stopExhaustive();
  /** Highest accuracy within a latency. */
  const frontier = (limitMs: number): number =>
    Math.max(0, ...points.filter(({ p95Ms }) => p95Ms <= limitMs).map(({ accuracy }) => accuracy));
  /** Lowest latency with at least an accuracy; Infinity if the search found no plan that accurate. */
  const fastest = (accuracy: number): number =>
    Math.min(...points.filter((point) => point.accuracy >= accuracy - 1e-12).map(({ p95Ms }) => p95Ms));
  for (const p95Ms of LATENCIES[name]) {
    const asked: ReducedRequest = { ...request, slo: { type: 'latency', p95Ms } };
    const plans: Ours[] = [];
    let seconds = 0;
    for (const seed of [request.seed, ...FURTHER_SEEDS]) {
      const stop = processorSeconds();
      const result = await planGears({ ...asked, seed });
      seconds += stop() / (1 + FURTHER_SEEDS.length);
      if (result.type === 'infeasible') throw new Error(`${name} at ${p95Ms} ms: ${result.reason}`);
      const { plan } = result;
      const width = asked.qpsMax / asked.weights.length;
      const gears = asked.weights.map((_, i) => plan.gears.find(({ qps }) => (i + 0.5) * width < qps[1])!);
      const accuracy = asked.weights.reduce((sum, weight, i) => sum + weight * gears[i].expected.accuracy, 0);
      const ours = { accuracy, p95Ms: Math.max(...gears.map((gear, range) => judge.p95(gear, range))) };
      plans.push({ ...ours, gap: frontier(ours.p95Ms) - accuracy, ratio: ours.p95Ms / fastest(accuracy) });
    }
    const accuracyGap = Math.max(...plans.map(({ gap }) => gap));
    const latencyRatio = Math.max(...plans.map(({ ratio }) => ratio));
    quality.push({
      name,
      cascades: request.cascades.length,
      exhaustiveSeconds,
      exhaustivePlans: points.length,
      p95Ms,
      exhaustiveAccuracy: frontier(p95Ms),
      plans,
      seconds,
      accuracyGap,
      gapAtSlo: frontier(p95Ms) - plans[0].accuracy,
      latencyRatio,
      accuracyMet: accuracyGap <= ACCURACY_TOLERANCE,
      latencyMet: latencyRatio <= LATENCY_TOLERANCE,
      withinSlo: plans.every((plan) => plan.p95Ms <= p95Ms),
      random: randomPlan(asked, p95Ms, 2 * seconds),
    });
  }
}

/** The best random assignment of cascades to ranges within a time limit, judged by separate runs. */
function randomPlan(request: ReducedRequest, p95Ms: number, seconds: number) {
  const { cascades } = request;
  const random = createRandom('random planner');
  const runs = new Runs(request, RUN_SECONDS, ['random']);
  const stop = processorSeconds();
  let accuracy = 0;
  let sampled = 0;
  while (stop() < seconds) {
    sampled++;
    const drawn = request.weights.map(() => cascades[random.below(cascades.length)]);
    const expected = drawn.reduce((sum, cascade, range) => sum + request.weights[range] * cascade.accuracy, 0);
    if (expected <= accuracy) continue;
    if (drawn.every((cascade, range) => runs.p95(evenGear(cascade, request), range) <= p95Ms)) accuracy = expected;
  }
  return { accuracy: accuracy === 0 ? null : accuracy, sampled };
}

const placements: { greedy: number; exact: number }[] = [];
let unsolved = 0;
for (let i = 0; placements.length < PLACEMENTS; i++) {
  await withContext(randomRequest(`placement ${i}`, { models: 3 + (i % 3), devices: 2 + (i % 5) }), (context) => {
    const loads = randomLoads(`loads ${i}`, context);
    const models = [...new Set(loads.flatMap((load) => load.cascade.models))].sort((a, b) => a - b);
    const atLeast = models.map(() => 1);
    const pruned = pruneReplicas(
      models,
      loads,
      Array.from({ length: context.models }, () => 1),
      context,
    );
    const greedy = pruned.type === 'placed' ? worstUtilisation(loads, pruned.placed, context) : Number.POSITIVE_INFINITY;
    const placed = exactPlacement(
      models,
      loads,
      Array.from({ length: context.models }, () => atLeast[0]),
      1e9,
      context,
    );
    if (placed === undefined) {
      if (Number.isFinite(greedy)) unsolved++;
      return;
    }
    placements.push({ greedy, exact: worstUtilisation(loads, placed, context) });
  });
}
const ratios = placements.map(({ greedy, exact }) => greedy / exact).sort((a, b) => a - b);
const solved = ratios.filter(Number.isFinite);
const placement = {
  instances: placements.length,
  greedyFoundNone: ratios.length - solved.length,
  unsolved,
  equal: solved.filter((ratio) => ratio < 1 + 1e-6).length,
  within5Percent: solved.filter((ratio) => ratio <= 1.05).length,
  median: median(solved),
  p90: solved[Math.floor(0.9 * (solved.length - 1))],
  worst: solved[solved.length - 1],
};

const table = new Table({
  head: [
    'case',
    'p95 <=',
    'exhaustive',
    'ours',
    'its p95 ms (* one is above)',
    'gap at the SLO, points',
    'worst gap at its p95',
    'worst p95 ratio at its accuracy',
    '0.1 point / 2 %',
    'random, twice the time',
  ],
  style: { head: [], border: [] },
});
for (const row of quality)
  table.push([
    row.name,
    row.p95Ms,
    row.exhaustiveAccuracy.toFixed(4),
    row.plans[0].accuracy.toFixed(4),
    `${row.plans[0].p95Ms.toFixed(1)}${row.withinSlo ? '' : ' *'}`,
    (row.gapAtSlo * 100).toFixed(3),
    (row.accuracyGap * 100).toFixed(3),
    row.latencyRatio.toFixed(3),
    `${row.accuracyMet ? 'met' : 'missed'} / ${row.latencyMet ? 'met' : 'missed'}`,
    row.random.accuracy?.toFixed(4) ?? 'none',
  ]);
console.log(table.toString());
console.log('greedy placement against the exact program:', placement);
console.log(
  `written to ${writeResult('planner-quality', { synthetic: true, ranges: RANGES, runSeconds: RUN_SECONDS, quality, placement })}`,
);
