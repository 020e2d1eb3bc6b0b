import { latencyScore } from '../sp2/latency-score.ts';
import type { DraftPlan } from './draft-plan.ts';

/** The score of a plan: accuracy on the samples that chose it, time-weighted over the QPS distribution (CascadeServe App. C). */
export function measuredAccuracy(draft: DraftPlan): number {
  return draft.ranges.reduce((sum, range) => sum + range.weight * (range.cascade?.accuracy ?? 0), 0);
}

export function expectedScore(draft: DraftPlan): number {
  return draft.ranges.reduce(
    (sum, range) => sum + range.weight * (range.tuning ? latencyScore(range.tuning.latencyMs) : Number.POSITIVE_INFINITY),
    0,
  );
}

export function expectedP95(draft: DraftPlan): number {
  return draft.ranges.reduce((sum, range) => sum + range.weight * (range.tuning?.latencyMs.p95 ?? Number.POSITIVE_INFINITY), 0);
}
