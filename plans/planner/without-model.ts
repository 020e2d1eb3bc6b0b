import type { DraftPlan } from './draft-plan.ts';
import { frontiersWithout, placeableModels } from './frontiers.ts';
import type { PlanningContext } from './planning-context.ts';

/** A draft that does without one more model, for which there is no memory beside the others. Its frontier may be empty. */
export function withoutModel(model: number, draft: DraftPlan, context: PlanningContext): DraftPlan {
  const excludedModels = [...draft.excludedModels, model];
  const none = placeableModels(excludedModels, context).length === 0;
  const frontier = none ? [] : frontiersWithout(excludedModels, context).frontier;
  return { ...draft, excludedModels, frontier, frontierPlacement: '' };
}
