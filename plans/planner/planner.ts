import { assemblePlan, expectedAccuracy, expectedP95 } from './assemble-plan.ts';
import { everywhere } from './device-fit.ts';
import { type DraftPlan, type Incoming, OK, type PlanError, type SubModule } from './draft-plan.ts';
import type { PlanRequest, PlanResult } from './plan-request.ts';
import { type PlanningContext, planningContext } from './planning-context.ts';
import { promisingPlacements } from './search-placement.ts';
import { searchCascades } from './sp1-search-cascades.ts';
import { assignCascades } from './sp2-assign-cascades.ts';
import { placeModels } from './sp3-place-models.ts';
import { tuneBatching, withReachedLatency } from './sp4-tune-batching.ts';
import { inlineTuner } from './tuner.ts';
import { tuningContext } from './tuning-context.ts';

const SUBMODULES: readonly SubModule[] = [searchCascades, assignCascades, placeModels, tuneBatching];

/** A plan is a matter of tens of cycles and hundreds of errors; this many steps mean a defect. */
const MAX_STEPS = 200_000;

export interface PlannerOptions {
  /** Told what is going on, in a few words; for a progress line. */
  readonly progress?: (message: string) => void;
}

/**
 * Makes a gear plan (CascadeServe §4.1). Pure: the same request gives the same plan, byte for byte.
 *
 * Algorithm 1 is run from everything everywhere, as in the paper. Where memory is short, its greedy pruning may end in a
 * placement that no single step improves; then it is run again from the most promising placements found by local search, and
 * the best plan is kept.
 * @returns the plan, or why no plan meets the SLO.
 */
export async function planGears(request: PlanRequest, options: PlannerOptions = {}): Promise<PlanResult> {
  const tuning = tuningContext(request);
  const tuner = inlineTuner(tuning);
  const context = await planningContext(tuning, tuner, options.progress ?? (() => undefined));
  try {
    const first = await runCycle(initialDraft(context), context);
    let best = first;
    for (const placed of promisingPlacements(first.draft, context)) {
      const next = await runCycle(pinnedDraft(placed, context), context);
      if (next.type === 'feasible' && (best.type === 'infeasible' || isBetter(next.draft, best.draft, context))) best = next;
    }
    if (best.type === 'feasible') return { type: 'plan', plan: assemblePlan(best.draft, context) };
    return infeasible(withReachedLatency(best.error, best.draft, context), best.draft, context);
  } finally {
    context.solver.dispose();
  }
}

type CycleResult =
  | { readonly type: 'feasible'; readonly draft: DraftPlan }
  | { readonly type: 'infeasible'; readonly error: PlanError; readonly draft: DraftPlan };

/**
 * Algorithm 1: the submodules in a cycle, forwards on ok, backwards on errors, until nothing improves. An error that leaves
 * the first submodule means that the SLO cannot be met.
 */
async function runCycle(initial: DraftPlan, context: PlanningContext): Promise<CycleResult> {
  let draft = initial;
  let incoming: Incoming = OK;
  let at = 0;
  for (let step = 0; step < MAX_STEPS; step++) {
    [incoming, draft] = await SUBMODULES[at](incoming, draft, context);
    if (incoming.type === 'error') {
      context.counters.errors++;
      if (at === 0) return { type: 'infeasible', error: incoming, draft };
      at--;
    } else if (at < SUBMODULES.length - 1) {
      at++;
    } else {
      context.counters.cycles++;
      const { incumbent } = draft;
      if (incumbent !== undefined && sameAssignment(draft, incumbent)) return { type: 'feasible', draft: incumbent };
      // No step may make a feasible plan worse (CascadeServe App. A).
      draft = incumbent === undefined || isAccepted(draft, incumbent, context) ? accepted(draft) : rejected(draft, incumbent);
      context.progress(describe(draft.incumbent ?? draft, context));
      at = 0;
    }
  }
  throw new Error(`the planner did not settle within ${MAX_STEPS} steps`);
}

/** Every model on every device, which may overflow memory; the rest is for the submodules. */
function initialDraft(context: PlanningContext): DraftPlan {
  const { qpsMax, weights, profile } = context.request;
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
    tried: [],
  };
}

/** A placement that is given: cascades of models without a replica are out. */
function pinnedDraft(placed: Uint8Array, context: PlanningContext): DraftPlan {
  const excludedModels = context.request.profile.models.flatMap((_, model) =>
    placed.subarray(model * context.devices, (model + 1) * context.devices).includes(1) ? [] : [model],
  );
  return { ...initialDraft(context), placed, pinned: true, excludedModels };
}

function accepted(draft: DraftPlan): DraftPlan {
  return { ...draft, incumbent: { ...draft, incumbent: undefined } };
}

function rejected(draft: DraftPlan, incumbent: DraftPlan): DraftPlan {
  const ranges = incumbent.ranges.map((range, i) => ({ ...range, leastFailedWorkMs: draft.ranges[i].leastFailedWorkMs }));
  return { ...incumbent, incumbent, ranges, tried: draft.tried, cautious: draft.cautious };
}

function sameAssignment(a: DraftPlan, b: DraftPlan): boolean {
  return a.ranges.every((range, i) => range.cascade?.key === b.ranges[i].cascade?.key);
}

/** Under a latency SLO proposals only ever raise a range's accuracy; those for ranges of weight 0 count too. */
function isAccepted(draft: DraftPlan, incumbent: DraftPlan, context: PlanningContext): boolean {
  return context.request.slo.type === 'latency' || isBetter(draft, incumbent, context);
}

function isBetter(draft: DraftPlan, incumbent: DraftPlan, context: PlanningContext): boolean {
  if (context.request.slo.type === 'accuracy') return expectedP95(draft) < expectedP95(incumbent);
  return expectedAccuracy(draft) > expectedAccuracy(incumbent);
}

function describe(draft: DraftPlan, context: PlanningContext): string {
  const { simulations, counters } = context;
  return `cycle ${counters.cycles}: accuracy ${expectedAccuracy(draft).toFixed(4)}, p95 ${expectedP95(draft).toFixed(1)} ms, ${simulations} simulations`;
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
