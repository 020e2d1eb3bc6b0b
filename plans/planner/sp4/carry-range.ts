import type { Tuning } from '../cycle/draft-plan.ts';
import { simulateRange } from './range-simulation.ts';
import { candidateOf, fillMs, longestUsefulQueue, tuningOf } from './tune-range.ts';
import type { TuningContext } from './tuning-context.ts';
import type { TuningJob } from './tuning-job.ts';

/** Fewer than for an SLO: these gears promise no latency, so it need not be as precise. */
const REQUESTS = 20_000;

/**
 * Finds the shortest minimum queue length with which the devices keep up with the top load of a range, whatever the latency. Usually 1,
 * since batches grow with the queues under load.
 */
export function carryRange(job: TuningJob, context: TuningContext): Tuning | undefined {
  const longest = longestUsefulQueue(job, context);
  for (let length = 1; ; length = Math.min(longest, length * 2)) {
    const candidate = candidateOf(job, length, length === 1 ? 0 : fillMs(length, job.fromQps, job, context), context);
    const top = simulateRange(candidate, job.toQps, context, REQUESTS);
    if (Number.isFinite(top.p95)) return tuningOf(candidate, top);
    if (length >= longest) return undefined;
  }
}
