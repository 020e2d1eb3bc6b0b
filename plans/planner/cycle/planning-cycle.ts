import { searchCascades } from '../sp1/sp1-search-cascades.ts';
import { assignCascades } from '../sp2/sp2-assign-cascades.ts';
import { placeModels } from '../sp3/sp3-place-models.ts';
import { tuneBatching } from '../sp4/sp4-tune-batching.ts';
import { type DraftPlan, type Incoming, OK, type PlanError } from './draft-plan.ts';
import { expectedP95, expectedScore, measuredAccuracy } from './draft-score.ts';
import type { PlanningContext } from './planning-context.ts';
import type { SubModule } from './submodule.ts';

const SUBMODULES: readonly SubModule[] = [searchCascades, assignCascades, placeModels, tuneBatching];

/** A plan takes tens of cycles and hundreds of errors; more steps than this mean a defect. */
const MAX_STEPS = 200_000;

export type CycleResult =
  | { readonly type: 'feasible'; readonly draft: DraftPlan }
  | { readonly type: 'infeasible'; readonly error: PlanError; readonly draft: DraftPlan };

/**
 * Algorithm 1: runs the submodules in a cycle, forwards on ok, backwards on errors, until nothing improves. An error that leaves
 * the first submodule means that the SLO cannot be met.
 */
export async function runCycle(initial: DraftPlan, context: PlanningContext): Promise<CycleResult> {
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
      if (context.firstFeasible) return { type: 'feasible', draft };
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

/** Under a latency SLO proposals only raise accuracy, so each is an improvement, even in ranges of weight 0. */
function isAccepted(draft: DraftPlan, incumbent: DraftPlan, context: PlanningContext): boolean {
  return context.request.slo.type === 'latency' || isBetter(draft, incumbent, context);
}

export function isBetter(draft: DraftPlan, incumbent: DraftPlan, context: PlanningContext): boolean {
  if (context.request.slo.type === 'accuracy') return expectedScore(draft) < expectedScore(incumbent);
  return measuredAccuracy(draft) > measuredAccuracy(incumbent);
}

function describe(draft: DraftPlan, context: PlanningContext): string {
  const { simulations, counters } = context;
  return `cycle ${counters.cycles}: accuracy ${measuredAccuracy(draft).toFixed(4)}, p95 ${expectedP95(draft).toFixed(1)} ms, ${simulations} simulations`;
}
