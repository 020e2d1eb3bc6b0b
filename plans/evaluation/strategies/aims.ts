/**
 * Factor on the strictest and the least strict target latency. What is made for a latency meets it at every load up to the highest, so
 * its p95 over the whole load is lower, and it makes sense to aim at more lenient latencies as well.
 */
const STRICT_FACTOR = 1 / 2;
const LENIENT_FACTOR = 2;

/**
 * The p95 latencies that every strategy aims at, whatever it searches besides.
 * @param targetsMs ascending.
 */
export function aimsOf(targetsMs: readonly number[]): readonly number[] {
  return [STRICT_FACTOR * targetsMs[0], ...targetsMs, LENIENT_FACTOR * targetsMs[targetsMs.length - 1]];
}
