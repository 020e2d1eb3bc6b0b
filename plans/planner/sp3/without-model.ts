import type { DraftPlan } from '../cycle/draft-plan.ts';
import type { PlanningContext } from '../cycle/planning-context.ts';
import { frontiersWithout, placeableModels } from '../sp1/frontiers.ts';

/** A draft that does without one more model, for which there is no memory beside the others. Its frontier may be empty. */
export function withoutModel(model: number, draft: DraftPlan, context: PlanningContext): DraftPlan {
  const excludedModels = [...draft.excludedModels, model];
  const none = placeableModels(excludedModels, context).length === 0;
  const frontier = none ? [] : frontiersWithout(excludedModels, context).frontier;
  return { ...draft, excludedModels, frontier, frontierPlacement: '' };
}
