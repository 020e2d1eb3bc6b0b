import type { Gear } from '../../domain/gear-plan/gear-plan.ts';
import type { CompiledPlan } from '../../policy/compiled-plan.ts';
import { compilePlan } from '../../policy/compiled-plan.ts';
import { percentile } from '../../report/percentile.ts';
import type { SimulationOutcomes } from '../../simulator/outcomes.ts';
import type { Workload } from '../../simulator/workload.ts';
import { gearOf } from '../cycle/gear-of.ts';
import type { Candidate } from './candidate.ts';
import { MAX_SIMULATED_REQUESTS, type TuningContext } from './tuning-context.ts';

export interface RangeOutcome {
  /** Of the answers. Infinity if requests pile up, or none is answered. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/**
 * Shortest run, by type of SLO. Latency: the p95 is checked against the limit; with fewer requests, the p95 of a cascade that sends one
 * request in ten to a slow model is off by a tenth or more. At least 8 s, as in CascadeServe Fig. 10, because on a nearly full device a
 * queue grows for seconds. Accuracy: shorter, because thousands of candidates are compared, all on the same arrivals.
 */
const SHORTEST_RUN = {
  latency: { requests: 16_000, seconds: 8 },
  accuracy: { requests: 4000, seconds: 2 },
} as const;
/**
 * Fraction of the requests that must be in time, slightly above the 0.95 of a p95: if nearly a twentieth of the samples move on to a
 * slow model, the result would otherwise depend on which of them happen to arrive close together.
 */
const GUARDED = 0.955;
/** A run covers this many latency limits, so that slow queue growth becomes visible. */
const LIMITS_PER_RUN = 8;

/** Measures the latency of one gear at a constant mean load (Poisson arrivals). */
export function simulateRange(
  candidate: Candidate,
  qps: number,
  context: TuningContext,
  maxRequests = MAX_SIMULATED_REQUESTS,
): RangeOutcome {
  const workload = rangeWorkload(qps, Number.POSITIVE_INFINITY, maxRequests, context);
  context.simulations++;
  const answeredMs = answersOf(context.simulator.run(planOf(candidate, context), workload, { fixedGear: 0 }));
  const never = Number.POSITIVE_INFINITY;
  if (pilesUp(answeredMs)) return { p50: never, p95: never, p99: never };
  const sorted = answeredMs.sort();
  const at = (fraction: number): number => percentile(sorted, fraction) ?? never;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

/** Whether a gear holds a latency at a constant mean load. The run ends as soon as too many requests are late. */
export function holdsLatency(candidate: Candidate, qps: number, limitMs: number, context: TuningContext): boolean {
  const workload = rangeWorkload(qps, limitMs, MAX_SIMULATED_REQUESTS, context);
  const giveUp = { latencyMs: limitMs, count: allowedLate(workload.arrivalsMs.length) };
  context.simulations++;
  const outcomes = context.simulator.run(planOf(candidate, context), workload, { fixedGear: 0, giveUp });
  const answeredMs = answersOf(outcomes);
  if (outcomes.gaveUp || answeredMs.length === 0 || pilesUp(answeredMs)) return false;
  let late = 0;
  for (const ms of answeredMs) if (ms > limitMs) late++;
  return late <= allowedLate(answeredMs.length);
}

function allowedLate(requests: number): number {
  return requests - Math.ceil(GUARDED * requests);
}

/**
 * Latencies of the requests that got an answer, by arrival. Those on which the last model answers NaN fail, at any load; they count as
 * wrong in the accuracy, and have no latency.
 */
function answersOf({ latencyMs }: Pick<SimulationOutcomes, 'latencyMs'>): Float64Array {
  const answeredMs = new Float64Array(latencyMs.length);
  let answers = 0;
  // Not `filter`, which takes a good part of the time of a simulation.
  for (const ms of latencyMs) if (!Number.isNaN(ms)) answeredMs[answers++] = ms;
  return answeredMs.subarray(0, answers);
}

function rangeWorkload(qps: number, limitMs: number, maxRequests: number, context: TuningContext): Workload {
  const shortest = SHORTEST_RUN[context.request.slo.type];
  const seconds = Math.max(shortest.seconds, Number.isFinite(limitMs) ? (LIMITS_PER_RUN * limitMs) / 1000 : 0);
  const requests = wholePasses(Math.max(shortest.requests, qps * seconds), maxRequests, context.system.samples);
  const arrivalsMs = new Float64Array(requests);
  for (let i = 0; i < requests; i++) arrivalsMs[i] = (context.unitArrivals[i] * 1000) / qps;
  return { arrivalsMs, sampleOrder: context.sampleOrder, seconds: requests / qps };
}

/**
 * Rounds a number of requests to whole passes over the samples: a partial pass would skew the share that moves on to a larger model.
 */
function wholePasses(wanted: number, most: number, samples: number): number {
  const passes = Math.min(Math.ceil(wanted / samples), Math.floor(most / samples));
  return passes > 0 ? passes * samples : most;
}

/**
 * Whether the latency of a run keeps growing: its last fifth is far slower than its second. Without a latency limit, this is the sign
 * of a load that cannot be carried.
 */
function pilesUp(latencyMs: Float64Array): boolean {
  const fifth = Math.floor(latencyMs.length / 5);
  const mean = (from: number): number => latencyMs.subarray(from, from + fifth).reduce((sum, ms) => sum + ms, 0) / fifth;
  const early = mean(fifth);
  return mean(3 * fifth) > 1.8 * early && mean(4 * fifth) > 2.4 * early;
}

function planOf(candidate: Candidate, context: TuningContext): CompiledPlan {
  const { modelNames, deviceNames } = context.system;
  const nothing: Gear['expected'] = {
    accuracy: 0,
    accuracyInterval: [0, 0],
    latencyMs: { p50: 0, p95: 0, p99: 0 },
    utilisation: {},
    bottleneck: '',
  };
  const gear = gearOf(candidate, [0, 1], nothing, context);
  const placement = modelNames.flatMap((model) => deviceNames.map((device) => ({ model, device })));
  return compilePlan({ models: [...modelNames], devices: [...deviceNames], placement, gears: [gear] });
}
