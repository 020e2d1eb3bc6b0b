import type { Tuning } from '../cycle/draft-plan.ts';

/** Weight of p99 relative to p95. */
const TAIL_WEIGHT = 0.1;

/**
 * The score by which latencies are compared under an accuracy SLO. Deviation: the paper uses p95 alone, which misses a slow model that
 * slightly less than a twentieth of the requests reach. A tenth of p99 catches that, and plans that differ in p95 keep their order.
 */
export function latencyScore({ p95, p99 }: Tuning['latencyMs']): number {
  return (1 - TAIL_WEIGHT) * p95 + TAIL_WEIGHT * p99;
}
