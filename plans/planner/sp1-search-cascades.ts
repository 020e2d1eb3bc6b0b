import { fits } from './device-fit.ts';
import { type DraftPlan, type FrontierCascade, OK, type PlanError, placementKey, type SubModule } from './draft-plan.ts';
import { searchFrontier } from './enumerate-cascades.ts';
import { evenly } from './evenly.ts';
import { cachedSearch } from './frontier-cache.ts';
import { paretoFrontier } from './pareto-pool.ts';
import type { PlanningContext } from './planning-context.ts';

/** Latencies for which a frontier of their own is kept under an accuracy SLO. */
const MAX_LEVELS = 11;

/**
 * SP1: the Pareto frontier of (accuracy, throughput under the current placement and batching) over cascades and thresholds
 * (CascadeServe §4.2). An error that arrives here is the user's: the SLO is out of reach of every cascade.
 */
export const searchCascades: SubModule = (incoming, draft, context) => {
  if (incoming.type === 'error') return [incoming, draft];
  if (context.searched.length === 0) {
    const placeable = Array.from({ length: context.models }, (_, m) => m).filter((model) =>
      context.request.devices.some((_, d) => fits(model, d, context)),
    );
    if (placeable.length === 0) return [nothingFits(context), draft];
    const limits = {
      maxStages: context.request.restrict === 'single-models' ? 1 : undefined,
      pathLimitsMs: pathLimits(placeable, context),
    };
    const { frontier, alternatives, evaluated } = cachedSearch(
      context.request.profile,
      JSON.stringify([context.costs.signature, placeable, limits]),
      () => searchFrontier(context.records, context.costs, placeable, limits),
    );
    context.counters.cascades += evaluated;
    // No cascade is fast enough on idle devices: the cheapest model then names what is possible.
    context.searched = frontier.length > 0 ? frontier : searchFrontier(context.records, context.costs, [placeable[0]]).frontier;
    context.alternatives = alternatives;
    context.progress(`searched ${evaluated} cascades: ${frontier.length} on the frontier`);
  }
  return [OK, draft.frontier.length === 0 ? { ...draft, frontier: context.searched } : withMeasuredFrontier(draft, context)];
};

/**
 * Work is first counted as if every device held everything. Where the placement is tighter, throughput is that of the load
 * balancing program; the order of the frontier may change, and cascades that others now beat leave it.
 */
function withMeasuredFrontier(draft: DraftPlan, context: PlanningContext): DraftPlan {
  const key = placementKey(draft.placed);
  if (draft.incumbent === undefined || draft.frontierPlacement === key) return draft;
  const measured = context.searched.map((cascade): FrontierCascade => {
    const fullestMs = context.balancer.fullestMs(cascade, draft.placed);
    return fullestMs === undefined ? cascade : { ...cascade, workMs: fullestMs * context.devices };
  });
  const ranges = draft.ranges.map((range) => {
    const cascade = measured.find((other) => other.key === range.cascade?.key) ?? range.cascade;
    return { ...range, cascade, leastFailedWorkMs: Number.POSITIVE_INFINITY };
  });
  return { ...draft, frontier: paretoFrontier(measured), frontierPlacement: key, ranges };
}

/**
 * Under a latency SLO no cascade slower than that is of use; halves of it leave more time for queues. Under an accuracy SLO
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

function nothingFits(context: PlanningContext): PlanError {
  const { profile, devices, weights } = context.request;
  const value = profile.models[0].memoryBytes;
  const limit = Math.max(...devices.map((device) => device.memoryBytes));
  const reason = `no device can run any model: ${profile.models[0].name} needs ${value} bytes, the largest device has ${limit}`;
  return { type: 'error', range: weights.length - 1, others: [], model: 0, metric: 'memoryBytes', value, limit, reason };
}
