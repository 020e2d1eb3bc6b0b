import { createRandom } from '../../engine/random.ts';
import type { Deployment } from '../domain/deployment/deployment.ts';
import type { Profile } from '../domain/profile/profile.ts';
import type { PlanRequest } from '../planner/plan-request.ts';
import { planGears } from '../planner/planner.ts';
import { planRequestOf } from '../planner/request-of-deployment.ts';
import { devicesLike } from '../planner/sp3/devices-like.ts';
import type { Report } from '../report/report.ts';
import type { SecondWindow } from '../report/report-builder.ts';
import { traceWorkload } from '../simulator/workload.ts';
import { dropEmptySeconds, expectedRequests, peakQps, rangeHistogram, type Trace } from '../traces/trace.ts';
import { Capacities } from './capacities.ts';
import { type Cell, cellsOf } from './cells.ts';
import { type Halves, halves } from './halves.ts';
import { measurer } from './measure.ts';
import { bestFor, frontierOf, type Goal, type MeasuredPoint, meets, type Point } from './points.ts';
import { BASELINES, type StrategyName } from './strategies/names.ts';
import { STRATEGIES } from './strategies/strategies.ts';
import type { Settings, StrategyContext } from './strategies/strategy.ts';

/** Runs are given up when their p95 exceeds the least strict latency target by this factor. */
const GIVE_UP_FACTOR = 20;
/** Accuracy levels to compare, from the least (0) to the most accurate model of the family (1). */
const ACCURACY_SHARES = [0.2, 0.4, 0.6, 0.8, 0.9, 1];
/** Numbers of ranges for which planning time is measured. */
const PLANNED_RANGES = [4, 8, 16, 32];

export interface ComparisonRequest {
  readonly deployment: Deployment;
  readonly profile: Profile;
  readonly trace: Trace;
  readonly seed: number;
  readonly strategies: readonly StrategyName[];
  /** Numbers of devices, of the deployment's kinds, ascending. */
  readonly deviceCounts: readonly number[];
  /** The device counts on which the ablations (no-switching, no-cascade) are run; default: all. */
  readonly ablatedCounts?: readonly number[] | undefined;
  /** Ascending. */
  readonly p95LevelsMs: readonly number[];
  /** Default: levels between the accuracies of the family's models. */
  readonly accuracyLevels?: readonly number[] | undefined;
  readonly ranges?: number | undefined;
  readonly progress: (message: string) => void;
  /** Clock for measuring planning time. */
  readonly nowMs: () => number;
}

/** A point that the report shows in detail. */
interface ChosenPoint extends Point {
  readonly meetsGoal: boolean;
  readonly seconds: readonly SecondWindow[];
}

interface PlanningTime {
  readonly devices: number;
  readonly ranges: number;
  readonly p95Ms: number;
  readonly seconds: number;
}

/** How the strategies handle a load: everything that the page and the JSON show. */
export interface Comparison {
  readonly deployment: string;
  /** True if the answers or the runtimes are synthetic. */
  readonly synthetic: boolean;
  readonly simulated: true;
  readonly seed: number;
  readonly load: { readonly seconds: number; readonly peakQps: number; readonly meanQps: number };
  /** Number of samples that judge; requests repeat them. */
  readonly samples: number;
  readonly deviceCounts: readonly number[];
  readonly p95LevelsMs: readonly number[];
  readonly accuracyLevels: readonly number[];
  readonly goal: Goal;
  /** Device count of the detailed report: the fewest tried with which the cascade meets the goal, or the most if none does. */
  readonly goalDevices: number;
  /** Per strategy, with `goalDevices`: the report of its best point for the goal; null if no candidate kept up. */
  readonly strategies: Readonly<
    Partial<Record<StrategyName, (Report & { readonly devices: number; readonly settings: Settings }) | null>>
  >;
  readonly spike: readonly ChosenPoint[];
  /** Per strategy and number of devices: the Pareto frontier. */
  readonly points: readonly Point[];
  readonly candidates: Readonly<Partial<Record<StrategyName, number>>>;
  readonly cells: readonly Cell[];
  readonly planning: readonly PlanningTime[];
}

export interface ComparisonResult {
  readonly comparison: Comparison;
  /** Of `comparison.strategies`, with their candidates. */
  readonly chosen: readonly MeasuredPoint[];
}

/** Simulates every candidate of every strategy on every number of devices under one load (CascadeServe §6). */
export async function compareStrategies(request: ComparisonRequest): Promise<ComparisonResult> {
  const asked = { ...request, ...halves(request.profile) };
  const { deployment, profile, trace, seed, strategies, deviceCounts, p95LevelsMs } = asked;
  const points: MeasuredPoint[] = [];
  const candidates: Partial<Record<StrategyName, number>> = {};
  for (const count of deviceCounts) {
    for (const name of strategies) {
      if (isAblation(name) && asked.ablatedCounts?.includes(count) === false) continue;
      const measured = await pointsOf(name, count, asked);
      candidates[name] = (candidates[name] ?? 0) + measured.tried;
      points.push(...measured.points);
    }
  }
  const accuracyLevels = asked.accuracyLevels ?? levelsOf(asked);
  const goal: Goal = deployment.slo.type === 'latency' ? { p95Ms: deployment.slo.p95Ms } : { accuracy: deployment.slo.accuracy };
  const able = points.filter((point) => point.strategy === 'cascade' && meets(point, goal)).map(({ given }) => given);
  const goalDevices = able.length > 0 ? Math.min(...able) : deviceCounts[deviceCounts.length - 1];
  const chosen = strategies.flatMap((name) => {
    const best = bestFor(
      points.filter(({ strategy, given }) => strategy === name && given === goalDevices),
      goal,
    );
    return best === undefined ? [] : [best];
  });
  const reportOf = (name: StrategyName) => {
    const point = chosen.find(({ strategy }) => strategy === name);
    return point === undefined ? null : { ...point.report, devices: point.devices, settings: point.settings };
  };
  return {
    chosen,
    comparison: {
      deployment: deployment.name,
      synthetic: profile.synthetic,
      simulated: true,
      seed,
      load: {
        seconds: trace.qps.length,
        peakQps: peakQps(trace),
        meanQps: expectedRequests(trace) / trace.qps.length,
      },
      samples: asked.judgedOn.labels.length,
      deviceCounts,
      p95LevelsMs,
      accuracyLevels,
      goal,
      goalDevices,
      strategies: Object.fromEntries(strategies.map((name) => [name, reportOf(name)])),
      spike: chosen.map((point) => ({ ...plainPoint(point), meetsGoal: meets(point, goal), seconds: point.windows })),
      points: strategies.flatMap((name) =>
        deviceCounts.flatMap((count) =>
          frontierOf(points.filter(({ strategy, given }) => strategy === name && given === count)).map(plainPoint),
        ),
      ),
      candidates,
      // The fewest devices are known only for strategies that were run on every number.
      cells: cellsOf(
        points,
        asked.ablatedCounts === undefined ? strategies : strategies.filter((name) => !isAblation(name)),
        p95LevelsMs,
        accuracyLevels,
      ),
      planning: strategies.includes('cascade') ? await planningTimes(goalDevices, asked) : [],
    },
  };
}

/** Whether a strategy is an ablation of our own. */
function isAblation(name: StrategyName): boolean {
  return name !== 'cascade' && !BASELINES.includes(name);
}

/** Simulates every candidate of a strategy on a number of devices; leaves out those that fell hopelessly behind. */
export async function pointsOf(
  name: StrategyName,
  count: number,
  asked: PointsRequest,
): Promise<{ readonly points: readonly MeasuredPoint[]; readonly tried: number }> {
  const { progress, p95LevelsMs, trace, deployment, judgedOn } = asked;
  const accuracies = asked.accuracyLevels ?? levelsOf(asked);
  const where = `${name} on ${count} ${count === 1 ? 'device' : 'devices'}`;
  progress(`${where}: searching`);
  const request = requestFor(count, asked);
  // While serving, seconds without requests have no load.
  const busy = dropEmptySeconds(trace);
  const context: StrategyContext = {
    request,
    trace,
    targetsMs: p95LevelsMs,
    accuracies,
    planFor: (share) => {
      const qpsMax = share * request.qpsMax;
      return { qpsMax, weights: rangeHistogram(busy, qpsMax, request.weights.length) };
    },
    capacities: new Capacities(request),
    plan: (change) => planGears({ ...request, ...change }, { progress: (message) => progress(`${where}: ${message}`) }),
  };
  const found = await STRATEGIES[name](context);
  const measure = measurer(request, judgedOn, deployment, trace, GIVE_UP_FACTOR * p95LevelsMs[p95LevelsMs.length - 1]);
  const points = found.flatMap((candidate, i): MeasuredPoint[] => {
    progress(`${where}: candidate ${i + 1} of ${found.length}`);
    const measured = measure(candidate);
    const p95Ms = measured?.report.latencyMs.p95;
    const accuracy = measured?.report.accuracy;
    if (measured === undefined || p95Ms == null || accuracy == null) return [];
    return [{ strategy: name, given: count, settings: candidate.settings, p95Ms, accuracy, candidate, ...measured }];
  });
  return { points, tried: found.length };
}

/** What `pointsOf` needs to run a strategy. */
export type PointsRequest = Omit<ComparisonRequest, 'profile' | 'strategies' | 'deviceCounts' | 'nowMs'> & Halves;

/** Every strategy plans for the peak second of the load, its mean and how often each load occurs, whatever load the deployment file names. */
function requestFor(
  count: number,
  {
    deployment,
    chosenOn,
    trace,
    seed,
    ranges,
    p95LevelsMs,
  }: Pick<PointsRequest, 'deployment' | 'chosenOn' | 'trace' | 'seed' | 'ranges' | 'p95LevelsMs'>,
): PlanRequest {
  const qpsMax = peakQps(trace);
  const request = planRequestOf(deployment, chosenOn, { qpsMax, ranges, seed });
  // While serving, seconds without requests count neither toward the mean nor as the lowest load.
  const busy = dropEmptySeconds(trace);
  return {
    ...request,
    meanQps: expectedRequests(busy) / Math.max(1, busy.qps.length),
    devices: devicesLike(request.devices, count),
    weights: rangeHistogram(busy, qpsMax, request.weights.length),
    slo: { type: 'latency', p95Ms: p95LevelsMs[p95LevelsMs.length - 1] },
    contingencies: false,
  };
}

/** Levels between the accuracies of the least and the most accurate model on these requests, rounded down to 0.1 %. */
function levelsOf({ judgedOn, trace, seed }: Pick<PointsRequest, 'judgedOn' | 'trace' | 'seed'>): number[] {
  const { arrivalsMs, sampleOrder } = traceWorkload(trace, judgedOn.labels.length, createRandom(seed));
  const accuracies = judgedOn.models.map(({ quality }) => {
    let sum = 0;
    for (let i = 0; i < arrivalsMs.length; i++) sum += quality[sampleOrder[i % sampleOrder.length]];
    return sum / Math.max(1, arrivalsMs.length);
  });
  const [least, most] = [Math.min(...accuracies), Math.max(...accuracies)];
  return [...new Set(ACCURACY_SHARES.map((share) => Math.floor(1000 * (least + share * (most - least))) / 1000))];
}

async function planningTimes(devices: number, asked: ComparisonRequest & Halves): Promise<PlanningTime[]> {
  const times: PlanningTime[] = [];
  for (const ranges of PLANNED_RANGES) {
    asked.progress(`time to plan for ${ranges} ranges`);
    // A new object and another seed, so that nothing is cached from earlier plans.
    const request = requestFor(devices, { ...asked, chosenOn: { ...asked.profile }, ranges });
    const startedMs = asked.nowMs();
    await planGears({ ...request, seed: `${asked.seed} of ${ranges} ranges` });
    const seconds = (asked.nowMs() - startedMs) / 1000;
    times.push({ devices, ranges, p95Ms: asked.p95LevelsMs[asked.p95LevelsMs.length - 1], seconds });
  }
  return times;
}

function plainPoint({ strategy, given, devices, settings, p95Ms, accuracy }: Point): Point {
  return { strategy, given, devices, settings, p95Ms, accuracy };
}
