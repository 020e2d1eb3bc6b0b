import { wayMs } from '../../domain/profile/profile.ts';
import type { FrontierCascade, Tuning } from '../cycle/draft-plan.ts';
import type { Candidate } from './candidate.ts';
import { holdsLatency, type RangeOutcome, simulateRange } from './range-simulation.ts';
import type { TuningContext } from './tuning-context.ts';
import type { TuningJob } from './tuning-job.ts';

/** If a range starts at 0, its low end is simulated at this fraction of its top. */
const LOW_END = 0.05;
/** Number of values to try for `maxWaitMs`, each half of the previous one. */
const WAIT_TRIES = 4;

/** Finds the minimum queue lengths of one gear: see SP4. @returns undefined if none will do. */
export function tuneRange(job: TuningJob, context: TuningContext): Tuning | undefined {
  return context.request.slo.type === 'latency' ? shortestQueue(job, context) : fastestQueue(job, context);
}

/** For a latency SLO: the shortest minimum queue length that holds the SLO at both ends of the range. */
function shortestQueue(job: TuningJob, context: TuningContext): Tuning | undefined {
  const longest = longestUsefulQueue(job, context);
  let failed = 0;
  let length = 1;
  let found = holdsWith(length, job, context);
  while (found === undefined && length < longest) {
    failed = length;
    length = Math.min(longest, length * 2);
    found = holdsWith(length, job, context);
  }
  if (found === undefined) return undefined;
  while (length - failed > 1) {
    const middle = (length + failed) >> 1;
    const shorter = holdsWith(middle, job, context);
    if (shorter === undefined) failed = middle;
    else {
      length = middle;
      found = shorter;
    }
  }
  return tuningOf(found, simulateRange(found, job.toQps, context));
}

/** The shortest wait with which a minimum queue length holds the SLO; longer waits would only make batches larger than needed. */
function holdsWith(length: number, job: TuningJob, context: TuningContext): Candidate | undefined {
  const limitMs = context.latencyLimitMs;
  const tries = waits(job, length, context);
  const holds = (maxWaitMs: number): Candidate | undefined => {
    const candidate = candidateOf(job, length, maxWaitMs, context);
    if (!holdsLatency(candidate, plannedTopQps(job, context), limitMs, context)) return undefined;
    // Queues that trigger at one request are no slower at a lower load.
    return length === 1 || holdsLatency(candidate, lowEndQps(job), limitMs, context) ? candidate : undefined;
  };
  if (tries.length > 1) {
    // If the devices do not keep up even with the longest wait, a shorter one cannot help.
    const longestWait = candidateOf(job, length, tries[0], context);
    if (!holdsLatency(longestWait, plannedTopQps(job, context), limitMs, context)) return undefined;
  }
  for (const maxWaitMs of tries.toReversed()) {
    const candidate = holds(maxWaitMs);
    if (candidate !== undefined) return candidate;
  }
  return undefined;
}

/** For an accuracy SLO: the minimum queue length with the lowest p95 over both ends of the range, among those that keep up. */
function fastestQueue(job: TuningJob, context: TuningContext): Tuning | undefined {
  const longest = longestUsefulQueue(job, context);
  let best: { tuning: Tuning; worstP95: number } | undefined;
  for (let length = 1; ; length = Math.min(longest, length * 2)) {
    const candidate = candidateOf(job, length, length === 1 ? 0 : fillMs(length, lowEndQps(job), job, context), context);
    const keepsUp = Number.isFinite(simulateRange(candidate, plannedTopQps(job, context), context).p95);
    if (keepsUp) {
      const top = simulateRange(candidate, job.toQps, context);
      // Queues that trigger at one request are no slower at a lower load.
      const low = length === 1 ? top : simulateRange(candidate, lowEndQps(job), context);
      const worstP95 = Math.max(top.p95, low.p95);
      if (best !== undefined && worstP95 >= best.worstP95) return best.tuning;
      best = { tuning: tuningOf(candidate, top), worstP95 };
    }
    if (length >= longest) return best?.tuning;
  }
}

/** How long the queue of the busiest replica takes to fill; longer waits gain nothing. */
export function fillMs(length: number, qps: number, job: TuningJob, context: TuningContext): number {
  return roundUp((length * 1000) / (firstReplicaShare(job, context) * qps));
}

/** Waits to try for a minimum queue length, longest first: at most what the latency limit leaves after the time through all stages. */
function waits({ cascade, shares, toQps }: TuningJob, length: number, context: TuningContext): number[] {
  if (length === 1) return [0];
  const { overhead } = context.request.profile;
  let wayTakesMs = wayMs(overhead) + overhead.hopMs * (cascade.models.length - 1);
  cascade.models.forEach((model, s) => {
    wayTakesMs += context.costs.fastestMs(model, Math.max(1, length * cascade.reach[s]));
  });
  const leftMs = context.latencyLimitMs - wayTakesMs;
  if (leftMs <= 0) return [];
  const fullMs = (length * 1000) / (firstReplicaShare({ cascade, shares }, context) * toQps);
  return Array.from({ length: WAIT_TRIES }, (_, i) => roundUp(leftMs / 2 ** i)).filter((wait) => wait >= fullMs / 2);
}

/** A queue beyond the batch limit does not make batches larger; beyond the latency limit, its requests are late. */
export function longestUsefulQueue(job: TuningJob, context: TuningContext): number {
  const first = job.cascade.models[0];
  let limit = 1;
  for (let d = 0; d < context.devices; d++) {
    if (context.costs.canRun(first, d)) limit = Math.max(limit, context.costs.batchLimit(first, d));
  }
  const perMs = (firstReplicaShare(job, context) * plannedTopQps(job, context)) / 1000;
  return Math.max(1, Math.min(limit, Math.floor(perMs * context.latencyLimitMs)));
}

/** Largest share that one replica takes of the first model's load. */
function firstReplicaShare(
  { cascade, shares }: { readonly cascade: FrontierCascade; readonly shares: Float64Array },
  context: TuningContext,
): number {
  const first = cascade.models[0];
  return Math.max(...shares.subarray(first * context.devices, (first + 1) * context.devices));
}

/** Gives the replica with the largest share the given length and the others one in proportion, so that all fill in the same time. */
export function candidateOf(job: TuningJob, length: number, maxWaitMs: number, context: TuningContext): Candidate {
  const { cascade, shares } = job;
  const largest = firstReplicaShare(job, context);
  const minQueueLength = new Int32Array(shares.length).fill(1);
  for (let d = 0; d < context.devices; d++) {
    const replica = cascade.models[0] * context.devices + d;
    const proportional = Math.round((length * shares[replica]) / largest);
    minQueueLength[replica] = Math.max(1, Math.min(proportional, context.costs.batchLimit(cascade.models[0], d)));
  }
  return { cascade, shares, minQueueLength, maxWaitMs };
}

export function tuningOf({ minQueueLength, maxWaitMs }: Candidate, { p50, p95, p99 }: RangeOutcome): Tuning {
  return { minQueueLength, maxWaitMs, latencyMs: { p50, p95, p99 } };
}

function plannedTopQps({ toQps }: TuningJob, context: TuningContext): number {
  return toQps / context.margins.utilisation;
}

function lowEndQps({ fromQps, toQps }: TuningJob): number {
  return fromQps > 0 ? fromQps : toQps * LOW_END;
}

/** Rounds up to a microsecond, so that plans are readable. */
function roundUp(ms: number): number {
  return Math.ceil(ms * 1000) / 1000;
}
