import { createRandom } from '../../engine/random.ts';
import { type ValidationRecords, validationRecords } from '../cascade.ts';
import { type SimulatedSystem, simulatedSystem } from '../simulator/simulated-system.ts';
import { Simulator } from '../simulator/simulator.ts';
import { shuffledSamples } from '../simulator/workload.ts';
import { DeviceCosts } from './device-costs.ts';
import type { FrontierCascade, Tuning } from './draft-plan.ts';
import { LoadBalancer } from './load-balancer.ts';
import { DEFAULT_MARGINS, type PlannerMargins, type PlanRequest } from './plan-request.ts';

/** What all submodules work with: the request, lookups made from it once, caches of pure results, and counters. */
export interface PlanningContext {
  readonly request: PlanRequest;
  readonly margins: PlannerMargins;
  readonly models: number;
  readonly devices: number;
  readonly records: ValidationRecords;
  readonly costs: DeviceCosts;
  readonly balancer: LoadBalancer;
  readonly system: SimulatedSystem;
  readonly simulator: Simulator;
  /** Arrivals of a Poisson process at one request per millisecond; scaled to any load, so that candidates are compared alike. */
  readonly unitArrivals: Float64Array;
  readonly sampleOrder: Int32Array;
  /** Highest p95 a gear may show in simulation; Infinity under an accuracy SLO. */
  readonly latencyLimitMs: number;
  /** SP4's answers by range, cascade and placement; null = cannot. */
  readonly tunings: Map<string, Tuning | null>;
  readonly prunings: Map<string, PruneResult>;
  /** SP1's frontier as if every device held everything; empty until searched. */
  searched: readonly FrontierCascade[];
  readonly counters: { cascades: number; simulations: number; cycles: number; errors: number };
  readonly progress: (message: string) => void;
}

export type PruneResult =
  | { readonly type: 'placed'; readonly placed: Uint8Array }
  | { readonly type: 'memory'; readonly model: number; readonly bytes: number; readonly limit: number };

/** Longest simulation of one gear, in requests; a p95 over this many has an error of about a percent. */
export const MAX_SIMULATED_REQUESTS = 60_000;

/** Must be disposed of (`balancer.dispose()`), as the linear program solver holds memory outside the heap. */
export async function planningContext(request: PlanRequest, progress: (message: string) => void): Promise<PlanningContext> {
  const { profile, devices, maxBatch, slo } = request;
  const margins = request.margins ?? DEFAULT_MARGINS;
  const latencyLimitMs = slo.type === 'latency' ? slo.p95Ms * margins.latency : Number.POSITIVE_INFINITY;
  // Client to frontend to device and back: what is left is for queues and batches.
  const costs = new DeviceCosts(profile, devices, maxBatch, Math.max(0, latencyLimitMs - 3 * profile.overhead.hopMs));
  const random = createRandom(request.seed).split('planner');
  const system = simulatedSystem(profile, devices, maxBatch);
  return {
    request,
    margins,
    models: profile.models.length,
    devices: devices.length,
    records: validationRecords(profile),
    costs,
    balancer: await LoadBalancer.create(costs),
    system,
    simulator: new Simulator(system),
    unitArrivals: unitPoisson(random.split('arrivals')),
    sampleOrder: shuffledSamples(system.samples, random.split('samples')),
    latencyLimitMs,
    tunings: new Map(),
    prunings: new Map(),
    searched: [],
    counters: { cascades: 0, simulations: 0, cycles: 0, errors: 0 },
    progress,
  };
}

function unitPoisson(random: { exponential(mean: number): number }): Float64Array {
  const arrivals = new Float64Array(MAX_SIMULATED_REQUESTS);
  let at = 0;
  for (let i = 0; i < arrivals.length; i++) {
    at += random.exponential(1);
    arrivals[i] = at;
  }
  return arrivals;
}
