import {
  type Cascade,
  cascadeKey,
  evaluateCascade,
  evaluateOnBits,
  popcount,
  thresholdAtQuantile,
  uncertainBits,
  type ValidationRecords,
} from '../../domain/cascade/cascade.ts';
import type { FrontierCascade } from '../cycle/draft-plan.ts';
import { evenly } from '../evenly.ts';
import type { DeviceCosts } from '../sp3/device-costs.ts';
import { ParetoPool, undominated } from './pareto-pool.ts';

/** Cascades for judging placements. */
const MAX_JUDGES = 64;
/** Word operations that the first, coarse enumeration may take: about half a second. */
const WORD_BUDGET = 40e6;
const MAX_GRID = 40;
const MIN_GRID = 10;

export interface SearchLimits {
  readonly maxStages?: number;
  /**
   * A frontier is kept for each: of cascades whose p95 on idle devices is at most this. A frontier of accuracy and work alone
   * favours long cascades, whose many small stages add up in latency.
   */
  readonly pathLimitsMs?: readonly number[];
  /** Word operations that the first, coarse enumeration may take. */
  readonly wordBudget?: number;
}

export interface FrontierSearch {
  /** For the first limit. */
  readonly frontier: FrontierCascade[];
  /** For the other limits. */
  readonly alternatives: readonly FrontierCascade[][];
  /** A few cascades of each set of models, for judging placements that hold only some of them. */
  readonly byModels: readonly FrontierCascade[];
  /** For the first limit: the Pareto frontier of accuracy, work and p95 on idle devices. */
  readonly undominated: readonly FrontierCascade[];
  /** Number of cascades evaluated. */
  readonly evaluated: number;
}

interface Offers {
  /** @param set bits of the models. */
  wanted(set: number, accuracy: number, workMs: number, pathMs: number): boolean;
  offer(cascade: Cascade, workMs: number, pathMs: number): void;
}

/**
 * The Pareto frontier of accuracy and work over all cascades of the given models (in family order) on a grid of thresholds, which is
 * then refined near the frontier (CascadeServe §4.2). Deviation: the paper samples at random; bitsets make enumeration affordable.
 */
export function searchFrontier(
  records: ValidationRecords,
  costs: DeviceCosts,
  models: readonly number[],
  { maxStages = models.length, pathLimitsMs = [Number.POSITIVE_INFINITY], wordBudget = WORD_BUDGET }: SearchLimits = {},
): FrontierSearch {
  const pools = poolsFor(pathLimitsMs, records);
  const sets = new Map<number, ParetoPool>();
  const offers = offersInto(pools, sets, records);
  // Each step counts twice over its words: once the samples that move on, once per plane their quality.
  const { grid, stages } = gridFor(models.length, (records.words * (1 + records.planes[0].length)) / 2, wordBudget);
  let evaluated = enumerate(records, costs, models, grid, Math.min(stages, maxStages), offers);
  for (const step of [2, 4, 8].map((parts) => 1 / (parts * (grid + 1)))) {
    for (const { pool } of pools) evaluated += refine(records, costs, step, pool.frontier(), offers);
  }
  return { ...frontiers(pools), ...frontiersOfSets(sets, costs), evaluated };
}

/** The same for given cascades. */
export function frontiersOf(
  cascades: readonly Pick<Cascade, 'models' | 'thresholds'>[],
  records: ValidationRecords,
  costs: DeviceCosts,
  pathLimitsMs: readonly number[],
): FrontierSearch {
  const pools = poolsFor(pathLimitsMs, records);
  const sets = new Map<number, ParetoPool>();
  const offers = offersInto(pools, sets, records);
  for (const { models, thresholds } of cascades) offerEvaluated(evaluateCascade(records, models, thresholds), costs, offers);
  return { ...frontiers(pools), ...frontiersOfSets(sets, costs), evaluated: cascades.length };
}

type Pools = readonly { readonly limitMs: number; readonly pool: ParetoPool }[];

function poolsFor(pathLimitsMs: readonly number[], records: ValidationRecords): Pools {
  return pathLimitsMs.map((limitMs) => ({ limitMs, pool: new ParetoPool(records.samples) }));
}

function offersInto(pools: Pools, sets: Map<number, ParetoPool>, records: ValidationRecords): Offers {
  const [{ limitMs: longestMs }] = pools;
  return {
    wanted: (set, accuracy, workMs, pathMs) =>
      (pathMs <= longestMs && (sets.get(set)?.wouldKeep(accuracy, workMs) ?? true)) ||
      pools.some(({ limitMs, pool }) => pathMs <= limitMs && pool.wouldKeep(accuracy, workMs)),
    offer: (cascade, workMs, pathMs) => {
      for (const { limitMs, pool } of pools) if (pathMs <= limitMs) pool.offer(cascade, workMs);
      if (pathMs > longestMs) return;
      const set = cascade.models.reduce((bits, model) => bits | (1 << model), 0);
      const own = sets.get(set) ?? new ParetoPool(records.samples);
      sets.set(set, own);
      own.offer(cascade, workMs);
    },
  };
}

/** From the frontier of each set of models: some, evenly spaced, and those that the overall frontier hides. */
function frontiersOfSets(
  sets: ReadonlyMap<number, ParetoPool>,
  costs: DeviceCosts,
): Pick<FrontierSearch, 'byModels' | 'undominated'> {
  const own = [...sets.values()].map((pool) => pool.frontier());
  const each = Math.max(1, Math.floor(MAX_JUDGES / sets.size));
  return {
    byModels: own.flatMap((frontier) => evenly(frontier, each)).slice(0, MAX_JUDGES),
    undominated: undominated(own.flat(), ({ models, reach }) => costs.pathMs(models, reach, models.length)),
  };
}

function frontiers(pools: Pools): Pick<FrontierSearch, 'frontier' | 'alternatives'> {
  const [frontier, ...alternatives] = pools.map(({ pool }) => pool.frontier());
  return { frontier, alternatives };
}

function offerEvaluated(cascade: Cascade, costs: DeviceCosts, offers: Offers): void {
  const { models, reach } = cascade;
  offers.offer(cascade, costs.workMs(models, reach, models.length), costs.pathMs(models, reach, models.length));
}

/** Finest grid within the budget; if even a coarse grid exceeds it, the length of cascades is limited. */
export function gridFor(models: number, words: number, wordBudget = WORD_BUDGET): { grid: number; stages: number } {
  for (let stages = models; stages > 2; stages--) {
    for (let grid = MAX_GRID; grid >= MIN_GRID; grid--)
      if (cascadeCount(models, stages, grid) * words <= wordBudget) return { grid, stages };
  }
  return { grid: MIN_GRID, stages: Math.min(2, models) };
}

function cascadeCount(models: number, stages: number, grid: number): number {
  let count = 0;
  let subsets = 1;
  for (let k = 1; k <= stages; k++) {
    subsets = (subsets * (models - k + 1)) / k;
    count += subsets * grid ** (k - 1);
  }
  return count;
}

function enumerate(
  records: ValidationRecords,
  costs: DeviceCosts,
  models: readonly number[],
  grid: number,
  maxStages: number,
  offers: Offers,
): number {
  const { samples, words, planes, steps, exact } = records;
  const thresholds = models.map((model) => [
    ...new Set(Array.from({ length: grid }, (_, i) => thresholdAtQuantile(records, model, (i + 1) / (grid + 1)))),
  ]);
  const uncertain = models.map((model, m) => thresholds[m].map((threshold) => uncertainBits(records, model, threshold)));
  // Per depth: the samples that are left, so that cascades with a common prefix share its work.
  const alive = Array.from({ length: maxStages }, () => new Uint32Array(words));
  for (let i = 0; i < samples; i++) alive[0][i >>> 5] |= 1 << (i & 31);
  const members = new Int32Array(maxStages);
  const chosen = new Float64Array(maxStages);
  const reach = new Float64Array(maxStages);
  reach[0] = 1;
  let evaluated = 0;

  // Qualities as whole steps; for right and wrong answers, the number of right ones.
  const descend = (depth: number, first: number, aliveCount: number, stepsSoFar: number, before: number): void => {
    const here = alive[depth];
    for (let m = first; m < models.length; m++) {
      members[depth] = models[m];
      const [lowest, ...higher] = planes[models[m]];
      let stepsHere = higherSteps(here, higher);
      for (let w = 0; w < words; w++) stepsHere += popcount(here[w] & lowest[w]);
      const set = before | (1 << models[m]);
      consider(depth + 1, stepsSoFar + stepsHere, set);
      if (depth + 1 >= maxStages || m + 1 >= models.length) continue;
      const below = alive[depth + 1];
      let fewer = 0;
      for (let t = 0; t < thresholds[m].length; t++) {
        const bits = uncertain[m][t];
        let count = 0;
        let stepsBelow = 0;
        for (let w = 0; w < words; w++) {
          const word = here[w] & bits[w];
          below[w] = word;
          count += popcount(word);
          stepsBelow += popcount(word & lowest[w]);
        }
        // If none or all samples move on, a shorter cascade does the same. Thresholds ascend, so an equal count means the same samples.
        if (count === fewer || count === aliveCount) continue;
        fewer = count;
        chosen[depth] = thresholds[m][t];
        reach[depth + 1] = count / samples;
        stepsBelow += higherSteps(below, higher);
        descend(depth + 1, m + 1, count, stepsSoFar + stepsHere - stepsBelow, set);
      }
    }
  };
  const consider = (stages: number, qualitySteps: number, set: number): void => {
    evaluated++;
    const workMs = costs.workMs(members, reach, stages);
    const pathMs = costs.pathMs(members, reach, stages);
    const accuracy = qualitySteps / steps / samples;
    if (!offers.wanted(set, accuracy, workMs, pathMs)) return;
    const names = Array.from(members.subarray(0, stages));
    const limits = Array.from(chosen.subarray(0, stages - 1));
    const own = Array.from(reach.subarray(0, stages));
    const cascade = exact
      ? { key: cascadeKey(names, limits), models: names, thresholds: limits, accuracy, reach: own }
      : evaluateCascade(records, names, limits);
    offers.offer(cascade, workMs, pathMs);
  };
  descend(0, 0, samples, 0, 0);
  return evaluated;
}

/** Sum of the planes above the lowest over some samples. */
function higherSteps(bits: Uint32Array, higher: readonly Uint32Array[]): number {
  let steps = 0;
  for (let p = 0; p < higher.length; p++) {
    let count = 0;
    for (let w = 0; w < bits.length; w++) count += popcount(bits[w] & higher[p][w]);
    steps += count * 2 ** (p + 1);
  }
  return steps;
}

/** Moves each threshold of each frontier cascade up and down by a step in quantiles. */
function refine(
  records: ValidationRecords,
  costs: DeviceCosts,
  step: number,
  frontier: readonly FrontierCascade[],
  offers: Offers,
): number {
  let evaluated = 0;
  for (const cascade of frontier) {
    const uncertain = cascade.thresholds.map((threshold, s) => uncertainBits(records, cascade.models[s], threshold));
    for (let s = 0; s < cascade.thresholds.length; s++) {
      const fraction = quantileOf(records.sorted[cascade.models[s]], cascade.thresholds[s]);
      for (const moved of [fraction - step, fraction + step]) {
        if (moved <= 0 || moved >= 1) continue;
        const threshold = thresholdAtQuantile(records, cascade.models[s], moved);
        if (threshold === cascade.thresholds[s]) continue;
        const thresholds = cascade.thresholds.with(s, threshold);
        const candidate = records.exact
          ? evaluateOnBits(
              records,
              cascade.models,
              thresholds,
              uncertain.with(s, uncertainBits(records, cascade.models[s], threshold)),
            )
          : evaluateCascade(records, cascade.models, thresholds);
        evaluated++;
        if (!candidate.reach.every((r, i) => i === 0 || (r > 0 && r < candidate.reach[i - 1]))) continue;
        offerEvaluated(candidate, costs, offers);
      }
    }
  }
  return evaluated;
}

/** Fraction of ascending values below `value`. */
function quantileOf(sorted: Float32Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low / sorted.length;
}
