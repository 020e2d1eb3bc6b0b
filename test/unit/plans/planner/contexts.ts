import { type PlanningContext, planningContext } from '../../../../plans/planner/cycle/planning-context.ts';
import type { PlanRequest } from '../../../../plans/planner/plan-request.ts';
import { inlineTuner } from '../../../../plans/planner/sp4/tuner.ts';
import { tuningContext } from '../../../../plans/planner/sp4/tuning-context.ts';

/** A context for tests of one submodule, disposed of at the end. */
export async function withContext<T>(request: PlanRequest, use: (context: PlanningContext) => T | Promise<T>): Promise<T> {
  const tuning = tuningContext(request);
  const context = await planningContext(tuning, inlineTuner(tuning), () => undefined);
  try {
    return await use(context);
  } finally {
    context.solver.dispose();
  }
}
