import type { Tuning } from '../cycle/draft-plan.ts';
import { simulateRange } from './range-simulation.ts';
import type { TuningContext } from './tuning-context.ts';
import type { TuningJob } from './tuning-job.ts';

/**
 * Requests simulated for an estimate, by type of SLO. The p95 is off by some percent, which is good enough to choose among cascades.
 * Under an accuracy SLO, thousands are estimated.
 */
const ESTIMATE_REQUESTS = { latency: 4000, accuracy: 3000 } as const;

/** Latency at the top of a gear's range with queues that trigger at one request; undefined if requests pile up. */
export function estimateLatency({ cascade, shares, toQps }: TuningJob, context: TuningContext): Tuning | undefined {
  const candidate = { cascade, shares, minQueueLength: new Int32Array(shares.length).fill(1), maxWaitMs: 0 };
  const { p50, p95, p99 } = simulateRange(candidate, toQps, context, ESTIMATE_REQUESTS[context.request.slo.type]);
  if (!Number.isFinite(p95)) return undefined;
  return { minQueueLength: candidate.minQueueLength, maxWaitMs: 0, latencyMs: { p50, p95, p99 } };
}
