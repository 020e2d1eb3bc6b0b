import { accuracyOf } from '../domain/profile/profile.ts';
import type { FrontierCascade } from '../planner/cycle/draft-plan.ts';
import type { PlanRequest } from '../planner/plan-request.ts';
import type { Candidate } from '../planner/sp4/candidate.ts';
import { holdsLatency } from '../planner/sp4/range-simulation.ts';
import { type TuningContext, tuningContext } from '../planner/sp4/tuning-context.ts';

/** Precision of a load, as a share of that load: a strict latency allows only a small part of what full batches carry. */
const PRECISION = 1 / 64;
/** Loads below this share of what the devices could carry in full batches count as none. */
const LEAST_SHARE = 1 / 4096;

/**
 * Finds the highest loads that single models carry within a latency, by simulation with the profile's runtimes. Queues trigger at
 * one request, so batches grow with the load. Results are cached.
 */
export class Capacities {
  readonly #request: PlanRequest;
  readonly #contexts = new Map<number, TuningContext>();
  readonly #known = new Map<string, number>();

  constructor(request: PlanRequest) {
    this.#request = request;
  }

  /** Requests per second in full batches, ignoring latency. @returns 0 if the device cannot hold or run the model. */
  fullQps(model: number, device: number): number {
    const { profile, devices } = this.#request;
    if (profile.models[model].memoryBytes > devices[device].memoryBytes) return 0;
    const { system } = this.#contextFor(Number.MAX_SAFE_INTEGER);
    const table = system.batchMs[model * system.devices + device];
    if (table === undefined) return 0;
    return Math.max(...Array.from(table, (ms, batch) => (batch === 0 ? 0 : (1000 * batch) / ms)));
  }

  /**
   * Highest mean load (Poisson) at which a model on these devices keeps its p95 within a latency.
   * @param devices numbers of devices that can run the model.
   */
  withinQps(model: number, devices: readonly number[], p95Ms: number): number {
    const kinds = devices.map((device) => this.#request.devices[device].deviceClass).sort();
    const key = JSON.stringify([model, kinds, p95Ms]);
    let qps = this.#known.get(key);
    if (qps === undefined) {
      qps = this.#search(model, devices, p95Ms);
      this.#known.set(key, qps);
    }
    return qps;
  }

  #search(model: number, devices: readonly number[], p95Ms: number): number {
    const context = this.#contextFor(p95Ms);
    const most = devices.reduce((sum, device) => sum + this.fullQps(model, device), 0);
    const candidate = singleModel(model, this.sharesOf(model, devices), context);
    let [low, high] = [0, 1];
    while (high > LEAST_SHARE && high - low > PRECISION * high) {
      const middle = (low + high) / 2;
      if (holdsLatency(candidate, middle * most, context.latencyLimitMs, context)) low = middle;
      else high = middle;
    }
    return low * most;
  }

  /** [model * devices + device]: shares in proportion to what each of these devices carries in full batches. */
  sharesOf(model: number, devices: readonly number[]): Float64Array {
    const { profile, devices: all } = this.#request;
    const shares = new Float64Array(profile.models.length * all.length);
    const most = devices.reduce((sum, device) => sum + this.fullQps(model, device), 0);
    for (const device of devices) shares[model * all.length + device] = this.fullQps(model, device) / most;
    return shares;
  }

  #contextFor(p95Ms: number): TuningContext {
    let context = this.#contexts.get(p95Ms);
    if (context === undefined) {
      // This asks what can be carried; the strategies decide how much headroom to leave.
      const margins = { utilisation: 1, latency: 1 };
      context = tuningContext({ ...this.#request, slo: { type: 'latency', p95Ms }, margins });
      this.#contexts.set(p95Ms, context);
    }
    return context;
  }
}

function singleModel(model: number, shares: Float64Array, { request }: TuningContext): Candidate {
  const accuracy = accuracyOf(request.profile.models[model]);
  const cascade: FrontierCascade = { key: String(model), models: [model], thresholds: [], accuracy, reach: [1], workMs: 0 };
  return { cascade, shares, minQueueLength: new Int32Array(shares.length).fill(1), maxWaitMs: 0 };
}
