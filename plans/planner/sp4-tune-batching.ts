import {
  type DraftPlan,
  type DraftRange,
  type FrontierCascade,
  OK,
  type PlanError,
  placementKey,
  plannedQps,
  type SubModule,
  type Tuning,
  withRange,
} from './draft-plan.ts';
import type { PlanningContext } from './planning-context.ts';
import { type Candidate, type RangeOutcome, simulateRange } from './range-simulation.ts';
import { bottleneckModel } from './sp3-place-models.ts';

/** Where a range begins at 0, its low end is simulated at this fraction of its top. */
const LOW_END = 0.05;
/** Tries of `maxWaitMs`, each half of the one before. */
const WAIT_TRIES = 4;

/**
 * SP4: minimum queue lengths, found by simulation (CascadeServe §4.5): beginning with 1, the first model's is doubled until
 * throughput and latency are met, then bisected; batches of the first model determine those of the later ones. `maxWaitMs`
 * bounds the wait where the load is too low to fill the queue. The SLO is checked at both ends of a range.
 */
export const tuneBatching: SubModule = (incoming, draft, context) => {
  if (incoming.type === 'error') return [incoming, draft];
  let tuned: DraftPlan = draft;
  for (let i = 0; i < draft.ranges.length; i++) {
    const range = draft.ranges[i];
    if (range.tuning !== undefined || range.cascade === undefined) continue;
    const tuning = tuneRange(range, range.cascade, draft.placed, context);
    if (tuning === undefined) return [latencyError(i, range.cascade, tuned, context), tuned];
    tuned = withRange(tuned, i, { tuning });
  }
  return [OK, tuned];
};

function tuneRange(
  range: DraftRange,
  cascade: FrontierCascade,
  placed: Uint8Array,
  context: PlanningContext,
): Tuning | undefined {
  const key = `${range.toQps}|${cascade.key}|${placementKey(placed)}`;
  const known = context.tunings.get(key);
  if (known !== undefined) return known ?? undefined;
  const tuning =
    context.request.slo.type === 'latency' ? shortestQueue(range, cascade, context) : fastestQueue(range, cascade, context);
  context.tunings.set(key, tuning ?? null);
  return tuning;
}

/** Latency SLO: the shortest minimum queue length that holds the SLO at both ends of the range. */
function shortestQueue(range: DraftRange, cascade: FrontierCascade, context: PlanningContext): Tuning | undefined {
  const limitMs = context.latencyLimitMs;
  const tries = (length: number): Candidate | undefined => {
    for (const maxWaitMs of waits(range, cascade, length, context)) {
      const candidate = candidateOf(range, cascade, length, maxWaitMs, context);
      // A shorter wait cannot help where the queue fills in time and the devices still do not keep up.
      if (simulateRange(candidate, plannedQps(range, context), limitMs, context).p95 > limitMs) return undefined;
      if (simulateRange(candidate, lowEndQps(range), limitMs, context).p95 <= limitMs) return candidate;
    }
    return undefined;
  };
  const longest = longestUsefulQueue(range, cascade, context);
  let failed = 0;
  let length = 1;
  let found = tries(length);
  while (found === undefined && length < longest) {
    failed = length;
    length = Math.min(longest, length * 2);
    found = tries(length);
  }
  if (found === undefined) return undefined;
  while (length - failed > 1) {
    const middle = (length + failed) >> 1;
    const shorter = tries(middle);
    if (shorter === undefined) failed = middle;
    else {
      length = middle;
      found = shorter;
    }
  }
  return tuningOf(found, simulateRange(found, range.toQps, Number.POSITIVE_INFINITY, context));
}

/** Accuracy SLO: the minimum queue length with the lowest p95 over both ends of the range, among those that keep up with the load. */
function fastestQueue(range: DraftRange, cascade: FrontierCascade, context: PlanningContext): Tuning | undefined {
  const unlimited = Number.POSITIVE_INFINITY;
  const longest = longestUsefulQueue(range, cascade, context);
  let best: { tuning: Tuning; worstP95: number } | undefined;
  for (let length = 1; ; length = Math.min(longest, length * 2)) {
    // As long as the queue of a replica takes to fill at the low end: longer waits gain nothing.
    const fillMs = (length * 1000) / (firstReplicaShare(range, cascade, context) * lowEndQps(range));
    const candidate = candidateOf(range, cascade, length, length === 1 ? 0 : roundUp(fillMs), context);
    const keepsUp = Number.isFinite(simulateRange(candidate, plannedQps(range, context), unlimited, context).p95);
    if (keepsUp) {
      const top = simulateRange(candidate, range.toQps, unlimited, context);
      // Queues that trigger at one request are no slower at a lower load.
      const low = length === 1 ? top : simulateRange(candidate, lowEndQps(range), unlimited, context);
      const worstP95 = Math.max(top.p95, low.p95);
      if (best !== undefined && worstP95 >= best.worstP95) return best.tuning;
      best = { tuning: tuningOf(candidate, top), worstP95 };
    }
    if (length >= longest) return best?.tuning;
  }
}

/** Waits to try for a minimum queue length, longest first: what the latency limit leaves beside the way through all stages. */
function waits(range: DraftRange, cascade: FrontierCascade, length: number, context: PlanningContext): number[] {
  if (length === 1) return [0];
  const { hopMs } = context.request.profile.overhead;
  let wayMs = hopMs * (cascade.models.length + 2);
  cascade.models.forEach((model, s) => {
    wayMs += context.costs.fastestMs(model, Math.max(1, length * cascade.reach[s]));
  });
  const leftMs = context.latencyLimitMs - wayMs;
  if (leftMs <= 0) return [];
  const fillMs = (length * 1000) / (firstReplicaShare(range, cascade, context) * range.toQps);
  return Array.from({ length: WAIT_TRIES }, (_, i) => roundUp(leftMs / 2 ** i)).filter((wait) => wait >= fillMs / 2);
}

/** Beyond the batch limit a longer queue does not make a larger batch; beyond the latency limit its requests are late. */
function longestUsefulQueue(range: DraftRange, cascade: FrontierCascade, context: PlanningContext): number {
  const first = cascade.models[0];
  let limit = 1;
  for (let d = 0; d < context.devices; d++) {
    if (context.costs.canRun(first, d)) limit = Math.max(limit, context.costs.batchLimit(first, d));
  }
  const perMs = (firstReplicaShare(range, cascade, context) * plannedQps(range, context)) / 1000;
  return Math.max(1, Math.min(limit, Math.floor(perMs * context.latencyLimitMs)));
}

/** Largest share that one replica takes of the first model's load. */
function firstReplicaShare(range: DraftRange, cascade: FrontierCascade, context: PlanningContext): number {
  const first = cascade.models[0];
  return Math.max(...(range.balance?.shares.subarray(first * context.devices, (first + 1) * context.devices) ?? [1]));
}

/** The replica with the largest share gets the given length, the others in proportion, so that all fill in the same time. */
function candidateOf(
  range: DraftRange,
  cascade: FrontierCascade,
  length: number,
  maxWaitMs: number,
  context: PlanningContext,
): Candidate {
  const shares = range.balance?.shares ?? new Float64Array(context.models * context.devices);
  const largest = firstReplicaShare(range, cascade, context);
  const minQueueLength = new Int32Array(shares.length).fill(1);
  for (let d = 0; d < context.devices; d++) {
    const replica = cascade.models[0] * context.devices + d;
    const proportional = Math.round((length * shares[replica]) / largest);
    minQueueLength[replica] = Math.max(1, Math.min(proportional, context.costs.batchLimit(cascade.models[0], d)));
  }
  return { cascade, shares, minQueueLength, maxWaitMs };
}

function tuningOf({ minQueueLength, maxWaitMs }: Candidate, { p50, p95, p99 }: RangeOutcome): Tuning {
  return { minQueueLength, maxWaitMs, latencyMs: { p50, p95, p99 } };
}

function lowEndQps(range: DraftRange): number {
  return range.fromQps > 0 ? range.fromQps : range.toQps * LOW_END;
}

/** Upwards to a microsecond: plans are read by people. */
function roundUp(ms: number): number {
  return Math.ceil(ms * 1000) / 1000;
}

function latencyError(index: number, cascade: FrontierCascade, draft: DraftPlan, context: PlanningContext): PlanError {
  const range = draft.ranges[index];
  const model = bottleneckModel(cascade, draft.placed, context);
  const name = context.request.profile.models[model].name;
  const { slo } = context.request;
  if (slo.type === 'accuracy') {
    const reason = `requests pile up: the devices do not keep up, ${name} first`;
    return { type: 'error', range: index, model, metric: 'utilisation', value: 1, limit: context.margins.utilisation, reason };
  }
  const candidate = candidateOf(range, cascade, 1, 0, context);
  const qps = plannedQps(range, context);
  const { p95 } = simulateRange(candidate, qps, Number.POSITIVE_INFINITY, context);
  const limit = context.latencyLimitMs;
  const reached = Number.isFinite(p95) ? `p95 is ${p95.toFixed(1)} ms` : 'requests pile up';
  const reason = `${reached} at ${qps.toFixed(0)} requests/s, which is the top of the range with a margin; at most ${limit.toFixed(1)} ms is planned; ${name} is the bottleneck`;
  return { type: 'error', range: index, model, metric: 'latencyMsP95', value: p95, limit, reason };
}
