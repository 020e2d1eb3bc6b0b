import { evenly } from '../../planner/evenly.ts';
import type { PlanRequest } from '../../planner/plan-request.ts';
import { aimsOf } from './aims.ts';
import type { Candidate, Strategy } from './strategy.ts';

/** Share of the highest load up to which the latency is promised; the gears beyond are best effort, for short peaks. */
const PROMISED_SHARES = [1, 0.6];
/** How many of the given accuracies to aim at; plans for a latency cover the others. */
const AIMS = 3;
/** No margin for what a simulation misses, since the baselines have none and this simulator is the judge. */
const NO_MARGINS = { utilisation: 1, latency: 1 };

/**
 * A strategy whose plans our planner makes. Searches the latency or the accuracy to plan for (the two SLOs of CascadeServe §3), and up
 * to which load. Ablations search only the latency: few cascades are left, and each latency leads to a different one.
 */
export function planned(restrict: PlanRequest['restrict']): Strategy {
  return async ({ plan, targetsMs, accuracies, planFor }) => {
    const last = targetsMs[targetsMs.length - 1];
    const latencyAims = PROMISED_SHARES.flatMap((share) =>
      aimsOf(targetsMs).map((p95Ms) => ({
        slo: { type: 'latency', p95Ms } as const,
        share,
        p95Ms,
        aim: { plannedP95Ms: p95Ms },
      })),
    );
    const accuracyAims = evenly(restrict === undefined ? accuracies : [], AIMS).map((accuracy) => ({
      slo: { type: 'accuracy', accuracy } as const,
      share: 1,
      p95Ms: last,
      aim: { plannedAccuracy: accuracy },
    }));
    const candidates: Candidate[] = [];
    for (const { slo, share, p95Ms, aim } of [...latencyAims, ...accuracyAims]) {
      const found = await plan({ ...planFor(share), slo, restrict, margins: NO_MARGINS, contingencies: false });
      if (found.type === 'infeasible') continue;
      candidates.push({ type: 'plan', settings: { ...aim, plannedShareOfPeak: share }, plan: found.plan, p95Ms });
    }
    return candidates;
  };
}
