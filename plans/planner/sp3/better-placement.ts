import { placementKey } from '../cycle/draft-plan.ts';
import { measuredAccuracy } from '../cycle/draft-score.ts';
import { pinnedDraft } from '../cycle/initial-draft.ts';
import type { PlanningContext } from '../cycle/planning-context.ts';
import { type CycleResult, isBetter, runCycle } from '../cycle/planning-cycle.ts';
import { judgedAccuracy, promisingPlacements } from './search-placement.ts';

/** Rounds of search; each starts from the best placement so far, with a judge calibrated by it. */
const MAX_ROUNDS = 4;
/** Halvings in the search for the load that a placement carries. */
const BISECTIONS = 12;
/** Lower bound: latency never reduces the load of a placement below this fraction of what device time allows. */
const LEAST_HEADROOM = 0.3;

/** The best of a plan and the plans on placements found by local search; the plan itself if everything fits everywhere. */
export async function withBetterPlacement(first: CycleResult, context: PlanningContext): Promise<CycleResult> {
  let best = first;
  let headroom = 1;
  const tried = new Set<string>();
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const open = promisingPlacements(best.draft, headroom, context).filter((placed) => !tried.has(placementKey(placed)));
    if (context.firstFeasible && best.type === 'feasible') break;
    let improved = false;
    for (const [i, placed] of open.entries()) {
      context.progress(`planning on placement ${i + 1} of ${open.length}, round ${round + 1}`);
      tried.add(placementKey(placed));
      const next = await runCycle(pinnedDraft(placed, context), context);
      if (next.type === 'infeasible' || (best.type === 'feasible' && !isBetter(next.draft, best.draft, context))) continue;
      best = next;
      improved = true;
    }
    if (best.type === 'infeasible' || open.length === 0) break;
    const calibrated = context.request.slo.type === 'latency' ? carriedFraction(best, context) : 1;
    if (!improved && calibrated >= headroom) break;
    headroom = calibrated;
  }
  return best;
}

/**
 * The fraction of the load that device time alone would allow at which the judge's accuracy for a placement equals that of the plan
 * made on it. It tells the judge, which does not simulate, what latency costs.
 */
function carriedFraction({ draft }: CycleResult, context: PlanningContext): number {
  const actual = measuredAccuracy(draft);
  let low = LEAST_HEADROOM;
  let high = 1;
  for (let i = 0; i < BISECTIONS; i++) {
    const middle = (low + high) / 2;
    if (judgedAccuracy(draft.placed, middle, draft, context) > actual) high = middle;
    else low = middle;
  }
  return high;
}
