import type { DraftPlan } from '../cycle/draft-plan.ts';
import type { PlanningContext } from '../cycle/planning-context.ts';
import { frontiersWithout, placeableModels } from '../sp1/frontiers.ts';

/** Excludes one more model, which does not fit into memory with the others. The frontier may become empty. */
export function withoutModel(model: number, draft: DraftPlan, context: PlanningContext): DraftPlan {
  const excludedModels = [...draft.excludedModels, model];
  const none = placeableModels(excludedModels, context).length === 0;
  const frontier = none ? [] : frontiersWithout(excludedModels, context).frontier;
  return { ...draft, excludedModels, frontier, frontierPlacement: '' };
}
