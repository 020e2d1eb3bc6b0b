import { evenly } from '../../planner/evenly.ts';
import type { PlanRequest } from '../../planner/plan-request.ts';
import type { Candidate, Strategy } from './strategy.ts';

/**
 * Of the strictest and the least strict latency that is looked at. A latency is planned for at every load up to the highest; over all
 * the loads that there are the p95 is lower, so it is planned for more lenient latencies as well.
 */
const STRICTER = 1 / 2;
const LENIENT = 2;
/** Up to which share of the highest load the latency is planned for; the gears beyond are best effort, for short peaks. */
const PROMISED = [1, 0.6];
/** Accuracies that are aimed at, of those that there are; the others are met on the way to a latency. */
const AIMS = 3;
/** No room is left for what a simulation does not see, as the others leave none: this simulator is what judges. */
const NO_ROOM = { utilisation: 1, latency: 1 };

/**
 * A strategy that our planner plans. Searched: the latency to plan for, or the accuracy to plan for as fast as can be (the two SLOs of
 * CascadeServe §3), and up to which load. Where switching or cascading is left out only the latency: there are few cascades left, and
 * each latency leads to another.
 */
export function planned(restrict: PlanRequest['restrict']): Strategy {
  return async ({ plan, targetsMs, accuracies, planFor }) => {
    const last = targetsMs[targetsMs.length - 1];
    const latencies = [STRICTER * targetsMs[0], ...targetsMs, LENIENT * last];
    const latencyAims = PROMISED.flatMap((share) =>
      latencies.map((p95Ms) => ({ slo: { type: 'latency', p95Ms } as const, share, p95Ms, aim: { plannedP95Ms: p95Ms } })),
    );
    const accuracyAims = evenly(restrict === undefined ? accuracies : [], AIMS).map((accuracy) => ({
      slo: { type: 'accuracy', accuracy } as const,
      share: 1,
      p95Ms: last,
      aim: { plannedAccuracy: accuracy },
    }));
    const candidates: Candidate[] = [];
    for (const { slo, share, p95Ms, aim } of [...latencyAims, ...accuracyAims]) {
      const found = await plan({ ...planFor(share), slo, restrict, margins: NO_ROOM, contingencies: false });
      if (found.type === 'infeasible') continue;
      candidates.push({ type: 'plan', settings: { ...aim, plannedShareOfPeak: share }, plan: found.plan, p95Ms });
    }
    return candidates;
  };
}
