import { type DraftPlan, type FrontierCascade, OK, type PlanError, placementKey } from '../cycle/draft-plan.ts';
import type { PlanningContext } from '../cycle/planning-context.ts';
import type { SubModule } from '../cycle/submodule.ts';
import { frontiersWithout, placeableModels } from './frontiers.ts';
import { paretoFrontier } from './pareto-pool.ts';

/**
 * SP1: the Pareto frontier of (accuracy, throughput under the current placement and batching) over cascades and thresholds
 * (CascadeServe §4.2). An error that arrives here goes to the user: no cascade can meet the SLO.
 */
export const searchCascades: SubModule = (incoming, draft, context) => {
  if (incoming.type === 'error') return [incoming, draft];
  if (placeableModels(draft.excludedModels, context).length === 0) return [noModelFits(context), draft];
  if (context.searched.length === 0) {
    context.progress('searching cascades');
    const { frontier, evaluated } = frontiersWithout([], context);
    context.searched = frontier;
    context.counters.cascades += evaluated;
    context.progress(`searched ${evaluated} cascades: ${frontier.length} on the frontier`);
  }
  if (draft.frontier.length > 0) return [OK, withMeasuredFrontier(draft, context)];
  return [OK, { ...draft, frontier: frontiersWithout(draft.excludedModels, context).frontier }];
};

/**
 * At first, work is computed as if every device held every model. On a tighter placement, throughput comes from the load balancing
 * program; the order of the frontier may change, and dominated cascades leave it.
 */
function withMeasuredFrontier(draft: DraftPlan, context: PlanningContext): DraftPlan {
  const key = placementKey(draft.placed);
  if (draft.incumbent === undefined || draft.frontierPlacement === key) return draft;
  const measured = frontiersWithout(draft.excludedModels, context).frontier.map((cascade): FrontierCascade => {
    const fullestMs = context.balancer.fullestMs(cascade, draft.placed);
    return fullestMs === undefined ? cascade : { ...cascade, workMs: fullestMs * context.devices };
  });
  const ranges = draft.ranges.map((range) => {
    const cascade = measured.find((other) => other.key === range.cascade?.key) ?? range.cascade;
    return { ...range, cascade, leastFailedWorkMs: Number.POSITIVE_INFINITY };
  });
  return { ...draft, frontier: paretoFrontier(measured), frontierPlacement: key, ranges };
}

function noModelFits(context: PlanningContext): PlanError {
  const { profile, devices, weights } = context.request;
  const value = profile.models[0].memoryBytes;
  const limit = Math.max(...devices.map((device) => device.memoryBytes));
  const reason = `no device can run any model: ${profile.models[0].name} needs ${value} bytes, the largest device has ${limit}`;
  return { type: 'error', range: weights.length - 1, others: [], model: 0, metric: 'memoryBytes', value, limit, reason };
}
