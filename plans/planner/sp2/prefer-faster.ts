import { ACCURACY_ROUNDING } from '../accuracy-rounding.ts';
import type { DraftPlan, DraftRange, FrontierCascade, Tuning } from '../cycle/draft-plan.ts';
import type { PlanningContext } from '../cycle/planning-context.ts';
import { evenly } from '../evenly.ts';
import { canCarry, mayCarry, usableCascades } from '../sp1/usable-cascades.ts';
import { tuneAll } from '../sp4/sp4-tune-batching.ts';
import { latencyScore } from './latency-score.ts';
import { raiseAccuracy } from './raise-accuracy.ts';

/** A switch must lower latency by at least a tenth. */
const LATENCY_GAIN = 0.9;
/** Most cascades to try per range, of those that are as accurate. */
const TRIES = 4;

/**
 * Final improvements to a plan under a latency SLO, on its placement. First, cascades with shorter paths off the frontier of accuracy
 * and work, if one is more accurate and holds the SLO; then the fastest of equally accurate cascades. Ranges are independent here, so
 * no change can break another range.
 */
export async function preferFaster(draft: DraftPlan, context: PlanningContext): Promise<DraftPlan> {
  if (context.request.slo.type !== 'latency' || context.request.restrict === 'one-cascade') return draft;
  const cascades = usableCascades(draft, context);
  context.progress('trying cascades on shorter paths');
  return withFastest(await raiseAccuracy(draft, cascades, context), cascades, context);
}

/** Gives each range the fastest of the cascades that are as accurate as its own. */
async function withFastest(draft: DraftPlan, cascades: readonly FrontierCascade[], context: PlanningContext): Promise<DraftPlan> {
  const options = draft.ranges.map((range) => asAccurate(range, cascades, draft, context));
  let current = draft;
  for (let k = 0; k < TRIES; k++) {
    const asked = options.flatMap((own, range) => (own[k] === undefined ? [] : [{ range, cascade: own[k] }]));
    const tuned = await tuneAll(asked, draft, context);
    const ranges = current.ranges.map((range, i) => {
      const tuning = tuned.get(i);
      if (tuning === undefined || !isMuchFaster(tuning, range)) return range;
      return { ...range, cascade: options[i][k], tuning, balance: context.balancer.balance(options[i][k], draft.placed) };
    });
    current = { ...current, ranges };
  }
  return current;
}

function isMuchFaster(tuning: Tuning, range: DraftRange): boolean {
  const ownMs = range.tuning === undefined ? Number.POSITIVE_INFINITY : latencyScore(range.tuning.latencyMs);
  return latencyScore(tuning.latencyMs) < LATENCY_GAIN * ownMs;
}

/** Some cascades with the shortest paths among those as accurate as a range's own. */
function asAccurate(
  range: DraftRange,
  cascades: readonly FrontierCascade[],
  draft: DraftPlan,
  context: PlanningContext,
): readonly FrontierCascade[] {
  const accepted = range.cascade;
  if (accepted === undefined) return [];
  const near = cascades.filter(
    (cascade) =>
      cascade.key !== accepted.key &&
      // Accuracy is never traded for latency.
      Math.abs(cascade.accuracy - accepted.accuracy) <= ACCURACY_ROUNDING &&
      mayCarry(cascade, range, context) &&
      canCarry(cascade, range, draft, context),
  );
  return evenly(near.toSorted((a, b) => pathMs(a, context) - pathMs(b, context)).slice(0, 2 * TRIES), TRIES);
}

function pathMs(cascade: FrontierCascade, context: PlanningContext): number {
  return context.costs.pathMs(cascade.models, cascade.reach, cascade.models.length);
}
