import { bestSingleCascade } from './beyond/one-cascade.ts';
import { withBeyond } from './beyond/with-beyond.ts';
import { assemblePlan } from './cycle/assemble-plan.ts';
import { planContingencies } from './cycle/contingencies.ts';
import type { DraftPlan, PlanError } from './cycle/draft-plan.ts';
import { initialDraft } from './cycle/initial-draft.ts';
import { type PlanningContext, planningContext } from './cycle/planning-context.ts';
import { type CycleResult, runCycle } from './cycle/planning-cycle.ts';
import type { PlanRequest, PlanResult } from './plan-request.ts';
import { preferFaster } from './sp2/prefer-faster.ts';
import { withBetterPlacement } from './sp3/better-placement.ts';
import { withReachedLatency } from './sp4/sp4-tune-batching.ts';
import { inlineTuner } from './sp4/tuner.ts';
import { tuningContext } from './sp4/tuning-context.ts';
import { TuningThreads } from './sp4/tuning-threads.ts';

export interface PlannerOptions {
  /** Called with a short description of what is being tried, for a progress line. */
  readonly progress?: (message: string) => void;
  /** Worker threads that simulate candidates; 0, the default, simulates on this one. The plan does not depend on it. */
  readonly threads?: number;
  /** Stop at the first feasible plan, to learn whether there is one. */
  readonly firstFeasible?: boolean;
}

/**
 * Makes a gear plan (CascadeServe §4.1). Pure: the same request gives the same plan, byte for byte.
 *
 * Runs Algorithm 1 from every model on every device, as in the paper. If memory is short, the result may be a local optimum; then it
 * runs again on the most promising placements found by local search, and the best plan is kept.
 * @returns the plan, or why no plan meets the SLO.
 */
export async function planGears(request: PlanRequest, options: PlannerOptions = {}): Promise<PlanResult> {
  const { threads = 0, progress = () => undefined, firstFeasible = false } = options;
  const tuning = tuningContext(request);
  const tuner = threads > 0 ? new TuningThreads(request, threads) : inlineTuner(tuning);
  try {
    const context = await planningContext(tuning, tuner, progress);
    try {
      return await plan({ ...context, firstFeasible });
    } finally {
      context.solver.dispose();
    }
  } finally {
    await tuner.close();
  }
}

async function plan(context: PlanningContext): Promise<PlanResult> {
  const found = await search(context);
  if (found.type === 'infeasible') return infeasible(withReachedLatency(found.error, found.draft, context), found.draft, context);
  if (context.firstFeasible) return { type: 'plan', plan: assemblePlan(found.draft, undefined, context) };
  const draft = await preferFaster(found.draft, context);
  const contingencies = await planContingencies(draft, context);
  const assembled = assemblePlan(draft, contingencies, context);
  return { type: 'plan', plan: await withBeyond(assembled, draft, contingencies, context) };
}

async function search(context: PlanningContext): Promise<CycleResult> {
  if (context.request.restrict === 'one-cascade') return bestSingleCascade(context);
  return withBetterPlacement(await runCycle(initialDraft(context), context), context);
}

function infeasible(error: PlanError, draft: DraftPlan, context: PlanningContext): PlanResult {
  const range = draft.ranges[error.range];
  const { metric, value, limit, reason } = error;
  return {
    type: 'infeasible',
    qpsRange: [range.fromQps, range.toQps],
    model: context.request.profile.models[error.model].name,
    reason,
    best: { metric, value: Number.isFinite(value) ? value : null, limit },
  };
}
