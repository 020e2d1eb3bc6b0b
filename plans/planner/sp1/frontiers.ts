import type { ValidationRecords } from '../../domain/cascade/cascade.ts';
import type { PlanningContext } from '../cycle/planning-context.ts';
import { evenly } from '../evenly.ts';
import { fits } from '../sp3/device-fit.ts';
import { type FrontierSearch, frontiersOf, type SearchLimits, searchFrontier } from './enumerate-cascades.ts';
import { cacheByProfile } from './frontier-cache.ts';
import { crossFit, type HonestAccuracy } from './honest-accuracy.ts';

/** Latencies that get their own frontier under an accuracy SLO. */
const MAX_LEVELS = 11;
/** Budget for the coarse enumeration, in word operations, of each search that corrects accuracies. */
export const FOLD_WORD_BUDGET = 1e6;

const cachedSearch = cacheByProfile<FrontierSearch>();
const cachedAccuracy = cacheByProfile<HonestAccuracy>();

/** Models that some device can hold and run, in family order, without the excluded ones. */
export function placeableModels(excluded: readonly number[], context: PlanningContext): number[] {
  return context.request.profile.models.flatMap((_, model) =>
    !excluded.includes(model) && context.request.devices.some((_, d) => fits(model, d, context)) ? [model] : [],
  );
}

/**
 * The frontiers of the cascades without the excluded models. Filtering the frontier of all cascades could leave too little, because
 * cascades with excluded models dominate others. There must be a placeable model.
 */
export function frontiersWithout(excluded: readonly number[], context: PlanningContext): FrontierSearch {
  if (context.only !== undefined) {
    const only = [context.only];
    return { frontier: only, alternatives: [], byModels: only, undominated: only, evaluated: 1 };
  }
  const models = placeableModels(excluded, context);
  const limits = limitsFor(models, context);
  return cachedSearch(context.request.profile, searchKey(models, limits, context), () =>
    search(models, limits, context.records, context),
  );
}

/** The accuracy that cascades found by `frontiersWithout` promise. There must be a placeable model. */
export function honestAccuracy(context: PlanningContext): HonestAccuracy {
  const { profile } = context.request;
  const models = placeableModels([], context);
  const limits = limitsFor(models, context);
  return cachedAccuracy(profile, searchKey(models, limits, context), () => {
    context.progress('estimating accuracy on samples that did not choose the cascades');
    const { frontier } = frontiersWithout([], { ...context, only: undefined });
    const coarse = { ...limits, pathLimitsMs: limits.pathLimitsMs.slice(0, 1), wordBudget: FOLD_WORD_BUDGET };
    return crossFit(profile, frontier, (records) => search(models, coarse, records, context).frontier);
  });
}

type Limits = SearchLimits & Required<Pick<SearchLimits, 'pathLimitsMs'>>;

function limitsFor(models: readonly number[], context: PlanningContext): Limits {
  return { maxStages: context.request.restrict === 'single-models' ? 1 : undefined, pathLimitsMs: pathLimits(models, context) };
}

function searchKey(models: readonly number[], limits: Limits, { costs, request }: PlanningContext): string {
  return JSON.stringify([costs.signature, models, limits, request.cascades ?? null]);
}

function search(
  models: readonly number[],
  limits: Limits,
  records: ValidationRecords,
  { costs, request }: PlanningContext,
): FrontierSearch {
  const given = request.cascades?.filter((cascade) => cascade.models.every((model) => models.includes(model)));
  const found =
    given === undefined
      ? searchFrontier(records, costs, models, limits)
      : frontiersOf(given, records, costs, limits.pathLimitsMs);
  if (found.frontier.length > 0) return found;
  // If no cascade is fast enough on idle devices, the cheapest model shows what is possible.
  return searchFrontier(records, costs, models.slice(0, 1));
}

/**
 * Under a latency SLO, slower cascades are useless, and fractions of the limit leave more time for queues. Under an accuracy SLO,
 * latency is minimised, so several latencies within the family's range each get a frontier.
 */
function pathLimits(models: readonly number[], context: PlanningContext): number[] {
  const limitMs = context.latencyLimitMs;
  if (Number.isFinite(limitMs)) return [limitMs, limitMs / 2, limitMs / 4];
  const alone = models.map((model) => context.costs.pathMs([model], [1], 1)).sort((a, b) => a - b);
  // Each model's own latency, so that no cheaper but slower cascade dominates the model, and latencies in between.
  const between = alone.slice(1).map((ms, i) => Math.sqrt(ms * alone[i]));
  const beyond = alone[alone.length - 1] * Math.SQRT2;
  return [
    Number.POSITIVE_INFINITY,
    ...evenly(
      [...alone, ...between, beyond].sort((a, b) => a - b),
      MAX_LEVELS,
    ),
  ];
}
