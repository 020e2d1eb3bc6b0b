import type { PlanRequest } from '../../planner/plan-request.ts';
import type { Candidate, Strategy } from './strategy.ts';

/**
 * A latency is planned for at every load up to the highest; over all the loads that there are the p95 is lower. So it is planned for
 * more lenient latencies as well, times the least strict that is looked at.
 */
const LENIENT = [2, 4];
/** Up to which share of the highest load the latency is planned for; the gears beyond are best effort, for short peaks. */
const PROMISED = [1, 0.6];

/** A strategy that our planner plans. Searched: the latency to plan for, and up to which load. */
export function planned(restrict: PlanRequest['restrict']): Strategy {
  return async ({ plan, targetsMs, planFor }) => {
    const candidates: Candidate[] = [];
    const last = targetsMs[targetsMs.length - 1];
    for (const p95Ms of [...targetsMs, ...LENIENT.map((factor) => factor * last)]) {
      for (const share of PROMISED) {
        const found = await plan({ ...planFor(share), slo: { type: 'latency', p95Ms }, restrict, contingencies: false });
        if (found.type === 'infeasible') continue;
        const settings = { plannedP95Ms: p95Ms, plannedShareOfPeak: share };
        candidates.push({ type: 'plan', settings, plan: found.plan, p95Ms });
      }
    }
    return candidates;
  };
}
