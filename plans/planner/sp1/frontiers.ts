import type { ValidationRecords } from '../../domain/cascade/cascade.ts';
import type { PlanningContext } from '../cycle/planning-context.ts';
import { evenly } from '../evenly.ts';
import { fits } from '../sp3/device-fit.ts';
import { type FrontierSearch, frontiersOf, type SearchLimits, searchFrontier } from './enumerate-cascades.ts';
import { cacheByProfile } from './frontier-cache.ts';
import { crossFit, type HonestAccuracy } from './honest-accuracy.ts';

/** Latencies for which a frontier of their own is kept under an accuracy SLO. */
const MAX_LEVELS = 11;
/** Word operations of the coarse enumeration for each of the searches by which accuracies are corrected. */
export const FOLD_WORD_BUDGET = 1e6;

const cachedSearch = cacheByProfile<FrontierSearch>();
const cachedAccuracy = cacheByProfile<HonestAccuracy>();

/** Models that some device can hold and run, in family order, less the excluded ones. */
export function placeableModels(excluded: readonly number[], context: PlanningContext): number[] {
  return context.request.profile.models.flatMap((_, model) =>
    !excluded.includes(model) && context.request.devices.some((_, d) => fits(model, d, context)) ? [model] : [],
  );
}

/**
 * The frontiers of the cascades that do without the excluded models; of a frontier of all cascades too little may be left, as
 * those that do without were beaten by others that do not. There must be a placeable model.
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

/** What the cascades that `frontiersWithout` finds promise. There must be a placeable model. */
export function honestAccuracy(context: PlanningContext): HonestAccuracy {
  const { profile } = context.request;
  const models = placeableModels([], context);
  const limits = limitsFor(models, context);
  return cachedAccuracy(profile, searchKey(models, limits, context), () => {
    context.progress('judging cascades on samples that did not choose them');
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
  // No cascade is fast enough on idle devices: the cheapest model then shows what is possible.
  return searchFrontier(records, costs, models.slice(0, 1));
}

/**
 * Under a latency SLO no cascade slower than that is of use; parts of it leave more time for queues. Under an accuracy SLO
 * latency is what is sought, so there is a frontier for each of several latencies that the family can have.
 */
function pathLimits(models: readonly number[], context: PlanningContext): number[] {
  const limitMs = context.latencyLimitMs;
  if (Number.isFinite(limitMs)) return [limitMs, limitMs / 2, limitMs / 4];
  const alone = models.map((model) => context.costs.pathMs([model], [1], 1)).sort((a, b) => a - b);
  // At each model's own, so that it is not beaten by a cascade that is cheaper and slower, and between them.
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
