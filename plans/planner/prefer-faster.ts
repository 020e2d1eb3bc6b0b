import { type DraftPlan, type DraftRange, type FrontierCascade, plannedQps, type Tuning } from './draft-plan.ts';
import { evenly } from './evenly.ts';
import { frontiersWithout } from './frontiers.ts';
import { latencyScore } from './latency-score.ts';
import type { PlanningContext } from './planning-context.ts';
import { tuneAll } from './sp4-tune-batching.ts';

/** Accuracy is what is maximised: none is given up for a lower latency. Below the share of one sample: sums differ by rounding. */
const ACCURACY_TOLERANCE = 1e-9;
/** Much lower: at least by a tenth. */
const LATENCY_GAIN = 0.9;
/** Cascades tried for each range, of those within the tolerance and of those that are more accurate on shorter paths. */
const TRIES = 4;

/**
 * The last touches to a plan under a latency SLO, on its placement: cascades off the frontier of accuracy and work whose paths
 * are shorter, where one is more accurate and holds the SLO; then, of equally accurate cascades, the fastest. Each range is
 * independent of the others here, so no touch can break another.
 */
export async function preferFaster(draft: DraftPlan, context: PlanningContext): Promise<DraftPlan> {
  if (context.request.slo.type !== 'latency' || context.request.restrict === 'one-cascade') return draft;
  const cascades = usableCascades(draft, context);
  context.progress('trying faster cascades that are as accurate');
  const raised = await replaced(draft, context, (range, accepted) => {
    const better = carriable(cascades, range, draft, context).filter((cascade) => cascade.accuracy > accepted.accuracy);
    const lightest = better.toSorted((a, b) => fullestMs(a, draft, context) - fullestMs(b, draft, context)).slice(0, TRIES);
    return [...new Set([...lightest, ...evenly(better, TRIES)])];
  });
  const touched = await replaced(raised, context, (range, accepted) => {
    const near = carriable(cascades, range, draft, context).filter(
      (cascade) => cascade.key !== accepted.key && cascade.accuracy >= accepted.accuracy - ACCURACY_TOLERANCE,
    );
    return evenly(near.toSorted((a, b) => pathMs(a, context) - pathMs(b, context)).slice(0, 2 * TRIES), TRIES);
  });
  return touched;
}

/** Each range with the best of its own cascade and the options that hold the SLO. */
async function replaced(
  draft: DraftPlan,
  context: PlanningContext,
  options: (range: DraftRange, accepted: FrontierCascade) => readonly FrontierCascade[],
): Promise<DraftPlan> {
  const choices = draft.ranges.map((range) => (range.cascade === undefined ? [] : options(range, range.cascade)));
  let current = draft;
  for (let k = 0; k < Math.max(0, ...choices.map((own) => own.length)); k++) {
    const asked = choices.flatMap((own, range) => (own[k] === undefined ? [] : [{ range, cascade: own[k] }]));
    const tuned = await tuneAll(asked, draft, context);
    const ranges = current.ranges.map((range, i) => {
      const tuning = tuned.get(i);
      const original = draft.ranges[i];
      if (tuning === undefined || !isBetter(choices[i][k], tuning, range, original)) return range;
      const balance = context.balancer.balance(choices[i][k], draft.placed);
      return { ...range, cascade: choices[i][k], tuning, balance };
    });
    current = { ...current, ranges };
  }
  return current;
}

/** More accurate; or much faster, and as accurate as the range was at first. */
function isBetter(cascade: FrontierCascade, tuning: Tuning, range: DraftRange, original: DraftRange): boolean {
  const accepted = range.cascade?.accuracy ?? 0;
  if (cascade.accuracy > accepted + ACCURACY_TOLERANCE) return true;
  const floor = (original.cascade?.accuracy ?? 0) - ACCURACY_TOLERANCE;
  const ownMs = range.tuning === undefined ? Number.POSITIVE_INFINITY : latencyScore(range.tuning.latencyMs);
  return cascade.accuracy >= floor && latencyScore(tuning.latencyMs) < LATENCY_GAIN * ownMs;
}

/** Cascades of all frontiers that the placement has all models of, ascending in accuracy. */
function usableCascades(draft: DraftPlan, context: PlanningContext): FrontierCascade[] {
  const all = new Map(
    [draft.frontier, ...frontiersWithout(draft.excludedModels, context).alternatives]
      .flat()
      .map((cascade) => [cascade.key, cascade]),
  );
  return [...all.values()]
    .filter((cascade) => Number.isFinite(fullestMs(cascade, draft, context)))
    .sort((a, b) => a.accuracy - b.accuracy || a.workMs - b.workMs);
}

function carriable(
  cascades: readonly FrontierCascade[],
  range: DraftRange,
  draft: DraftPlan,
  context: PlanningContext,
): FrontierCascade[] {
  return cascades.filter((cascade) => (fullestMs(cascade, draft, context) * plannedQps(range, context)) / 1000 <= 1);
}

function fullestMs(cascade: FrontierCascade, draft: DraftPlan, context: PlanningContext): number {
  return context.balancer.fullestMs(cascade, draft.placed) ?? Number.POSITIVE_INFINITY;
}

function pathMs(cascade: FrontierCascade, context: PlanningContext): number {
  return context.costs.pathMs(cascade.models, cascade.reach, cascade.models.length);
}
