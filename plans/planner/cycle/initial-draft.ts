import { everywhere } from '../sp3/device-fit.ts';
import type { DraftPlan } from './draft-plan.ts';
import type { PlanningContext } from './planning-context.ts';

/** Every model on every device, which may overflow memory (CascadeServe §4.1); the submodules do the rest. */
export function initialDraft(context: PlanningContext): DraftPlan {
  const { qpsMax, weights, profile, slo } = context.request;
  const width = qpsMax / weights.length;
  return {
    frontier: [],
    frontierPlacement: '',
    ranges: weights.map((weight, i) => ({
      fromQps: i * width,
      toQps: (i + 1) * width,
      weight,
      cascade: undefined,
      leastFailedWorkMs: Number.POSITIVE_INFINITY,
      stepsDown: 0,
      balance: undefined,
      tuning: undefined,
    })),
    placed: everywhere(
      profile.models.map((_, m) => m),
      context,
    ),
    pinned: false,
    forcedReplicas: profile.models.map(() => 1),
    excludedModels: [],
    incumbent: undefined,
    cautious: false,
    accuracyTarget: slo.type === 'accuracy' ? slo.accuracy : 0,
    tried: [],
  };
}

/** A draft on a given placement, without cascades that use models without a replica. */
export function pinnedDraft(placed: Uint8Array, context: PlanningContext): DraftPlan {
  const excludedModels = context.request.profile.models.flatMap((_, model) =>
    placed.subarray(model * context.devices, (model + 1) * context.devices).includes(1) ? [] : [model],
  );
  return { ...initialDraft(context), placed, pinned: true, excludedModels };
}
