import type { Tuning } from '../cycle/draft-plan.ts';

/** Weight of p99 beside p95 where latencies are compared. */
const TAIL_WEIGHT = 0.1;

/**
 * By which latencies are compared under an accuracy SLO. Deviation: the paper looks at p95 alone, which does not see a dear
 * model that slightly fewer than a twentieth of the requests reach; a tenth of p99 does, and leaves the order of plans that
 * differ in p95 as it is.
 */
export function latencyScore({ p95, p99 }: Tuning['latencyMs']): number {
  return (1 - TAIL_WEIGHT) * p95 + TAIL_WEIGHT * p99;
}
