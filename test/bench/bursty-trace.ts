import type { Random } from '../../engine/random.ts';
import type { Trace } from '../../plans/traces/trace.ts';

/**
 * A synthetic bursty load: mostly low, with bursts that start suddenly and fade, as in request logs. Burst heights follow a Pareto-like
 * distribution, so a few are much higher than the rest; the highest second is `peak`.
 */
export function burstyTrace(seconds: number, peak: number, random: Random): Trace {
  const qps = new Float64Array(seconds);
  let burst = 0;
  for (let second = 0; second < seconds; second++) {
    burst *= 0.7;
    if (random.next() < 0.12) burst += (1 - random.next()) ** (-1 / 1.5);
    qps[second] = 0.4 + 0.3 * random.next() + burst;
  }
  const highest = qps.reduce((max, rate) => Math.max(max, rate), 0);
  return { qps: qps.map((rate) => (rate * peak) / highest) };
}
