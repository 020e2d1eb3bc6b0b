import type { Tuning } from '../cycle/draft-plan.ts';
import { simulateRange } from './range-simulation.ts';
import { candidateOf, fillMs, longestUsefulQueue, tuningOf } from './tune-range.ts';
import type { TuningContext } from './tuning-context.ts';
import type { TuningJob } from './tuning-job.ts';

/** Nothing is promised, so the latency need not be known as well as where it is held against an SLO. */
const REQUESTS = 20_000;

/**
 * The shortest minimum queue length with which the devices keep up with the top load of a range, whatever the latency. Mostly 1:
 * under load, queues grow and batches with them.
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
