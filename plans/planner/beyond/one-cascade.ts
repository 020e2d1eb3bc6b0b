import { reachesAccuracy } from '../accuracy-rounding.ts';
import type { FrontierCascade } from '../cycle/draft-plan.ts';
import { initialDraft } from '../cycle/initial-draft.ts';
import type { PlanningContext } from '../cycle/planning-context.ts';
import { type CycleResult, isBetter, runCycle } from '../cycle/planning-cycle.ts';
import { evenly } from '../evenly.ts';
import { honestAccuracy } from '../sp1/frontiers.ts';
import { searchCascades } from '../sp1/sp1-search-cascades.ts';

/** Cascades tried under an accuracy SLO, evenly spaced among those that are accurate enough. */
const MAX_TRIES = 24;
/** Further cascades to try above the result of the bisection, because feasibility is only nearly monotone in work. */
const FURTHER = 4;

/** The best plan with the same cascade in all ranges (the ablation of CascadeServe Fig. 12: cascading without switching). */
export async function bestSingleCascade(context: PlanningContext): Promise<CycleResult> {
  const [outcome, searched] = await searchCascades({ type: 'ok' }, initialDraft(context), context);
  if (outcome.type === 'error') return { type: 'infeasible', error: outcome, draft: searched };
  const all = [...searched.frontier];
  const tryOnly = async (cascade: FrontierCascade): Promise<CycleResult> => {
    context.only = cascade;
    context.surfaces.clear();
    context.progress(`trying one cascade of accuracy ${cascade.accuracy.toFixed(4)} at all loads`);
    return runCycle(initialDraft(context), context);
  };
  const { slo } = context.request;
  if (slo.type === 'accuracy') {
    const honest = honestAccuracy(context);
    let best: CycleResult | undefined;
    for (const cascade of evenly(
      all.filter((cascade) => reachesAccuracy(honest.of(cascade), slo.accuracy)),
      MAX_TRIES,
    )) {
      const next = await tryOnly(cascade);
      if (next.type === 'infeasible') best ??= next;
      else if (best === undefined || best.type === 'infeasible' || isBetter(next.draft, best.draft, context)) best = next;
    }
    return best ?? tryOnly(all[all.length - 1]);
  }
  let best = await tryOnly(all[0]);
  let low = 0;
  let high = all.length;
  while (best.type === 'feasible' && high - low > 1) {
    const middle = (low + high) >> 1;
    const next = await tryOnly(all[middle]);
    if (next.type === 'feasible') {
      best = next;
      low = middle;
    } else high = middle;
  }
  for (let i = high + 1; best.type === 'feasible' && i <= high + FURTHER && i < all.length; i++) {
    const next = await tryOnly(all[i]);
    if (next.type === 'feasible') best = next;
  }
  return best;
}
