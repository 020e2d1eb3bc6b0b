/**
 * Quality of plans against reference planners.
 *
 * 1. Exhaustive search on the reduced space of CascadeServe Fig. 10: every model on every device, queues that trigger at one
 *    request, 8-second runs. All cascades over a coarse grid of thresholds are simulated in every range; as ranges do not share
 *    anything here, the best combination for a latency is that of the best in each range, so this equals trying them all.
 *    Ours plans with the same cascades and without margins; both are judged by runs that neither has seen.
 * 2. Random sampling in the same space with twice the processor time that our plan took.
 * 3. Greedy placement against the exact program on random small instances.
 *
 * Usage: npm run bench:planner, or this alone: node --import tsx test/bench/planner-quality.ts [seconds of a run]
 */
import Table from 'cli-table3';
import { createRandom } from '../../engine/random.ts';
import { type Cascade, evaluateCascade, thresholdAtQuantile, validationRecords } from '../../plans/cascade.ts';
import type { Gear } from '../../plans/gear-plan.ts';
import { exactPlacement } from '../../plans/planner/exact-placement.ts';
import type { PlanRequest } from '../../plans/planner/plan-request.ts';
import { planGears } from '../../plans/planner/planner.ts';
import { pruneReplicas, worstUtilisation } from '../../plans/planner/prune-replicas.ts';
import { compilePlan } from '../../plans/policy/compiled-plan.ts';
import { simulatedSystem } from '../../plans/simulator/simulated-system.ts';
import { Simulator } from '../../plans/simulator/simulator.ts';
import { traceWorkload, type Workload } from '../../plans/simulator/workload.ts';
import { constantTrace } from '../../plans/trace.ts';
import { withContext } from '../unit/plans/planner/contexts.ts';
import { randomLoads, randomRequest } from '../unit/plans/planner/random-requests.ts';
import { median, writeResult } from './machine.ts';
import { PAPER_CASES, paperCase } from './planner-cases.ts';
import { processorSeconds } from './processor-time.ts';

const RANGES = 6;
/** The paper's; another length tells how much of a gap is due to runs that end before a load that is not carried shows. */
const RUN_SECONDS = Number(process.argv[2] ?? 8);
/** Thresholds of each model: enough that the whole space is thousands of simulations. */
const GRID = { 'bert-like': 3, 'llama-like': 6 } as const;
const LATENCIES = { 'bert-like': [40, 60, 80, 120, 200, 400], 'llama-like': [1200, 1600, 2000, 2800, 4000, 6000] } as const;
const ACCURACY_TOLERANCE = 0.001;
const LATENCY_TOLERANCE = 1.02;
const PLACEMENTS = 200;

/** Every model on every device; no margins, so that plans are compared at the very SLO. */
function reduced(name: (typeof PAPER_CASES)[number], p95Ms: number): PlanRequest {
  const request = paperCase(name, { ranges: RANGES });
  return {
    ...request,
    devices: request.devices.map((device) => ({ ...device, memoryBytes: 1e15 })),
    cascades: allCascades(request, GRID[name]),
    slo: { type: 'latency', p95Ms },
    margins: { utilisation: 1, latency: 1 },
    contingencies: false,
  };
}

function allCascades({ profile }: PlanRequest, grid: number): Cascade[] {
  const records = validationRecords(profile);
  const found: Cascade[] = [];
  const extend = (models: number[], thresholds: number[]): void => {
    const last = models[models.length - 1];
    found.push(evaluateCascade(records, models, thresholds));
    for (let next = last + 1; next < profile.models.length; next++) {
      for (let g = 1; g <= grid; g++)
        extend([...models, next], [...thresholds, thresholdAtQuantile(records, last, g / (grid + 1))]);
    }
  };
  for (let first = 0; first < profile.models.length; first++) extend([first], []);
  return found;
}

/** Runs that judge a gear: at the top of each range. */
class Judge {
  readonly #simulator: Simulator;
  readonly #workloads: readonly Workload[];
  readonly #request: PlanRequest;

  constructor(request: PlanRequest, seed: string) {
    const system = simulatedSystem(request.profile, request.devices, request.maxBatch);
    this.#request = request;
    this.#simulator = new Simulator(system);
    this.#workloads = request.weights.map((_, i) => {
      const qps = ((i + 1) * request.qpsMax) / RANGES;
      return traceWorkload(
        constantTrace(qps, Math.max(RUN_SECONDS, Math.ceil(1000 / qps))),
        system.samples,
        createRandom(`${seed} ${i}`),
      );
    });
  }

  p95(gear: Gear, range: number): number {
    const { profile, devices } = this.#request;
    const plan = compilePlan({
      models: profile.models.map((model) => model.name),
      devices: devices.map((device) => device.id),
      placement: [],
      gears: [gear],
    });
    const outcomes = this.#simulator.run(plan, this.#workloads[range], { fixedGear: 0 });
    const sorted = outcomes.latencyMs.slice().sort();
    return sorted[Math.ceil(0.95 * sorted.length) - 1];
  }

  /** A cascade with even shares and queues that trigger at one request. */
  gear({ models, thresholds }: Pick<Cascade, 'models' | 'thresholds'>): Gear {
    const { profile, devices } = this.#request;
    const all = (value: number) =>
      Object.fromEntries(models.map((m) => [profile.models[m].name, Object.fromEntries(devices.map(({ id }) => [id, value]))]));
    return {
      qps: [0, 1],
      cascade: models.map((m, s) => ({ model: profile.models[m].name, threshold: thresholds[s] })),
      shares: all(1 / devices.length),
      minQueueLength: all(1),
      maxWaitMs: 0,
      expected: { accuracy: 0, latencyMs: { p50: 0, p95: 0, p99: 0 }, utilisation: {}, bottleneck: '' },
    };
  }
}

interface Point {
  readonly accuracy: number;
  readonly p95Ms: number;
}

const quality = [];
for (const name of PAPER_CASES) {
  const request = reduced(name, 1);
  const cascades = request.cascades as Cascade[];
  const judge = new Judge(request, 'judge');
  const stopExhaustive = processorSeconds();
  const p95 = cascades.map((cascade) => request.weights.map((_, range) => judge.p95(judge.gear(cascade), range)));
  const exhaustiveSeconds = stopExhaustive();
  /** Most accuracy with all ranges within a latency. */
  const frontier = (limitMs: number): number =>
    request.weights.reduce((sum, weight, range) => {
      const able = cascades.filter((_, c) => p95[c][range] <= limitMs);
      return sum + weight * Math.max(0, ...able.map(({ accuracy }) => accuracy));
    }, 0);
  const limits = [...new Set(p95.flat())].sort((a, b) => a - b);
  /** Least latency at which an accuracy can be had. */
  const fastest = (accuracy: number): number => {
    let [low, high] = [0, limits.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (frontier(limits[middle]) >= accuracy - 1e-12) high = middle;
      else low = middle + 1;
    }
    return limits[low];
  };
  for (const p95Ms of LATENCIES[name]) {
    const stop = processorSeconds();
    const result = await planGears({ ...request, slo: { type: 'latency', p95Ms } });
    const seconds = stop();
    const random = randomPlan({ ...request, slo: { type: 'latency', p95Ms } }, cascades, p95Ms, 2 * seconds);
    const ours: Point | undefined =
      result.type === 'plan'
        ? {
            accuracy: result.plan.expected.accuracy,
            p95Ms: Math.max(...result.plan.gears.map((gear, range) => judge.p95(gear, range))),
          }
        : undefined;
    const accuracyGap = ours === undefined ? frontier(p95Ms) : frontier(ours.p95Ms) - ours.accuracy;
    const latencyRatio = ours === undefined ? Number.POSITIVE_INFINITY : ours.p95Ms / fastest(ours.accuracy);
    quality.push({
      name,
      cascades: cascades.length,
      exhaustiveSeconds,
      p95Ms,
      exhaustiveAccuracy: frontier(p95Ms),
      ours: ours ?? null,
      seconds,
      accuracyGap,
      latencyRatio,
      accuracyMet: accuracyGap <= ACCURACY_TOLERANCE,
      latencyMet: latencyRatio <= LATENCY_TOLERANCE,
      withinSlo: ours !== undefined && ours.p95Ms <= p95Ms,
      random,
    });
  }
}

/** The best of random assignments, each range's cascade drawn anew, until the time is up; judged by runs of its own. */
function randomPlan(request: PlanRequest, cascades: readonly Cascade[], p95Ms: number, seconds: number) {
  const random = createRandom('random planner');
  const judge = new Judge(request, 'random');
  const stop = processorSeconds();
  let accuracy = 0;
  let sampled = 0;
  while (stop() < seconds) {
    sampled++;
    const drawn = request.weights.map(() => cascades[random.below(cascades.length)]);
    const expected = drawn.reduce((sum, cascade, range) => sum + request.weights[range] * cascade.accuracy, 0);
    if (expected <= accuracy) continue;
    if (drawn.every((cascade, range) => judge.p95(judge.gear(cascade), range) <= p95Ms)) accuracy = expected;
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
    'its p95 ms',
    'gap at that p95, points',
    'p95 ratio at that accuracy',
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
    row.ours?.accuracy.toFixed(4) ?? 'none',
    row.ours?.p95Ms.toFixed(1) ?? '',
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
