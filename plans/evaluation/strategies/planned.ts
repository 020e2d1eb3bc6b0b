import type { PlanRequest } from '../../planner/plan-request.ts';
import type { Candidate, Strategy } from './strategy.ts';

/**
 * A latency is planned for at every load up to the highest; over all the loads that there are the p95 is lower. So it is planned for
 * more lenient latencies as well, times the least strict that is looked at.
 */
const LENIENT = [2, 4];
/** Up to which share of the highest load the latency is planned for; the gears beyond are best effort, for short peaks. */
const PROMISED = [1, 0.6];

/**
 * A strategy that our planner plans. Searched: the latency to plan for and up to which load, or the accuracy to plan for as fast as can
 * be (the two SLOs of CascadeServe §3).
 */
export function planned(restrict: PlanRequest['restrict']): Strategy {
  return async ({ plan, targetsMs, accuracies, planFor }) => {
    const last = targetsMs[targetsMs.length - 1];
    const latencies = [...targetsMs, ...LENIENT.map((factor) => factor * last)];
    const asked = PROMISED.flatMap((share) => [
      ...latencies.map((p95Ms) => ({ share, p95Ms, slo: { type: 'latency', p95Ms } as const, aim: { plannedP95Ms: p95Ms } })),
      ...accuracies.map((accuracy) => ({
        share,
        p95Ms: last,
        slo: { type: 'accuracy', accuracy } as const,
        aim: { plannedAccuracy: accuracy },
      })),
    ]);
    const candidates: Candidate[] = [];
    for (const { share, p95Ms, slo, aim } of asked) {
      const found = await plan({ ...planFor(share), slo, restrict, contingencies: false });
      if (found.type === 'infeasible') continue;
      candidates.push({ type: 'plan', settings: { ...aim, plannedShareOfPeak: share }, plan: found.plan, p95Ms });
    }
    return candidates;
  };
}
