import { createRandom, type Random } from '../../../engine/random.ts';
import { shuffled } from '../../data/shuffled.ts';
import { wayMs } from '../../domain/profile/profile.ts';
import { type SimulatedSystem, simulatedSystem } from '../../simulator/simulated-system.ts';
import { Simulator } from '../../simulator/simulator.ts';
import { DEFAULT_MARGINS, type PlannerMargins, type PlanRequest } from '../plan-request.ts';
import { DeviceCosts } from '../sp3/device-costs.ts';

/** What is needed to simulate and tune one gear. Derived from the request alone, so each worker thread can make its own. */
export interface TuningContext {
  readonly request: PlanRequest;
  readonly margins: PlannerMargins;
  readonly models: number;
  readonly devices: number;
  readonly costs: DeviceCosts;
  readonly system: SimulatedSystem;
  readonly simulator: Simulator;
  /** Arrivals of a Poisson process at one request per millisecond, scaled to any load, so that all candidates get the same ones. */
  readonly unitArrivals: Float64Array;
  readonly sampleOrder: Int32Array;
  /** Highest simulated p95 of a gear; Infinity under an accuracy SLO. */
  readonly latencyLimitMs: number;
  /** Number of simulator runs so far. */
  simulations: number;
}

/** Longest simulation of one gear, in requests; the error of the p95 is then about one percent. */
export const MAX_SIMULATED_REQUESTS = 60_000;

export function tuningContext(request: PlanRequest): TuningContext {
  const { profile, devices, maxBatch, slo } = request;
  const margins = request.margins ?? DEFAULT_MARGINS;
  const latencyLimitMs = slo.type === 'latency' ? slo.p95Ms * margins.latency : Number.POSITIVE_INFINITY;
  const random = createRandom(request.seed).split('planner');
  const system = simulatedSystem(profile, devices, maxBatch);
  return {
    request,
    margins,
    models: profile.models.length,
    devices: devices.length,
    costs: new DeviceCosts(profile, devices, maxBatch, cycleBudgetMs(latencyLimitMs, wayMs(profile.overhead))),
    system,
    simulator: new Simulator(system),
    unitArrivals: unitPoisson(random.split('arrivals')),
    sampleOrder: shuffled(system.samples, random.split('samples')),
    latencyLimitMs,
    simulations: 0,
  };
}

/**
 * The longest cycle of a device through all stages that can be in time. Queues and batches get what the hops from client to frontend to
 * device and back leave. On a full device a request waits for the rest of one cycle and takes another: uniformly from one to two.
 */
function cycleBudgetMs(latencyLimitMs: number, betweenMs: number): number {
  return Math.max(0, latencyLimitMs - betweenMs) / 1.95;
}

function unitPoisson(random: Random): Float64Array {
  const arrivals = new Float64Array(MAX_SIMULATED_REQUESTS);
  let at = 0;
  for (let i = 0; i < arrivals.length; i++) {
    at += random.exponential(1);
    arrivals[i] = at;
  }
  return arrivals;
}
