import { type DraftPlan, type FrontierCascade, OK, placementKey, type SubModule } from './draft-plan.ts';
import { paretoFrontier, searchFrontier } from './enumerate-cascades.ts';
import type { PlanningContext } from './planning-context.ts';
import { fits } from './prune-replicas.ts';

/**
 * SP1: the Pareto frontier of (accuracy, throughput under the current placement and batching) over cascades and thresholds
 * (CascadeServe §4.2). An error that arrives here is the user's: the SLO is out of reach of every cascade.
 */
export const searchCascades: SubModule = (incoming, draft, context) => {
  if (incoming.type === 'error') return [incoming, draft];
  const found = draft.frontier.length > 0 ? draft : withFirstFrontier(draft, context);
  return [OK, withMeasuredFrontier(found, context)];
};

function withFirstFrontier(draft: DraftPlan, context: PlanningContext): DraftPlan {
  const placeable = Array.from({ length: context.models }, (_, m) => m).filter((model) =>
    context.request.devices.some((_, d) => fits(model, d, context)),
  );
  const { frontier, evaluated } = searchFrontier(context.records, context.costs, placeable);
  context.counters.cascades += evaluated;
  context.progress(`searched ${evaluated} cascades: ${frontier.length} on the frontier`);
  return { ...draft, frontier };
}

/**
 * Work is first counted as if every device held everything. Where the placement is tighter, throughput is that of the load
 * balancing program; the order of the frontier may change, and cascades that others now beat leave it.
 */
function withMeasuredFrontier(draft: DraftPlan, context: PlanningContext): DraftPlan {
  const key = placementKey(draft.placed);
  if (draft.incumbent === undefined || draft.frontierPlacement === key) return draft;
  const measured = draft.frontier.map((cascade): FrontierCascade => {
    const fullestMs = context.balancer.fullestMs(cascade, draft.placed);
    return fullestMs === undefined ? cascade : { ...cascade, workMs: fullestMs * context.devices };
  });
  const ranges = draft.ranges.map((range) => {
    const cascade = measured.find((other) => other.key === range.cascade?.key) ?? range.cascade;
    return { ...range, cascade, leastFailedWorkMs: Number.POSITIVE_INFINITY };
  });
  return { ...draft, frontier: paretoFrontier(measured), frontierPlacement: key, ranges };
}
