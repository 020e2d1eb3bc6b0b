import { batchTable, type PlanDevice } from '../../domain/profile/batch-cost.ts';
import { type Profile, wayMs } from '../../domain/profile/profile.ts';

/** A stage that at most this fraction of the requests reach does not show in a p95. */
const TAIL = 0.05;

/**
 * The cost of a cascade on each class of devices. It depends on batch sizes, which only SP4 determines. The optimistic assumption here
 * is that a device collects as many requests as fit into a cycle through all stages within the latency budget, since any later answer
 * would be late (submodules are optimistic, CascadeServe §4.1).
 */
export class DeviceCosts {
  readonly models: number;
  readonly devices: number;
  /** Per device: number of its class. */
  readonly classOf: readonly number[];
  readonly classes: number;
  readonly #devicesOfClass: readonly number[];
  /** Equal signatures mean equal costs of all cascades, for a given profile. */
  readonly signature: string;
  /** [model][class] */
  readonly #tables: readonly (readonly (Float64Array | undefined)[])[];
  readonly #budgetMs: number;

  /** Per model: device time of one request on the fastest class. */
  readonly #aloneMs: readonly number[];
  readonly #wayMs: number;

  /** @param budgetMs time within which a cycle must end; Infinity under an accuracy SLO. */
  constructor(profile: Profile, devices: readonly PlanDevice[], maxBatch: readonly (number | undefined)[], budgetMs: number) {
    const names = [...new Set(devices.map((device) => device.deviceClass))];
    this.models = profile.models.length;
    this.devices = devices.length;
    this.classes = names.length;
    this.classOf = devices.map((device) => names.indexOf(device.deviceClass));
    this.#devicesOfClass = names.map((_, k) => this.classOf.filter((c) => c === k).length);
    this.#tables = profile.models.map((_, m) => names.map((name) => batchTable(profile, m, name, maxBatch[m])));
    this.#budgetMs = budgetMs;
    const shares = names.map((name, k) => [name, this.#devicesOfClass[k] / devices.length]);
    this.signature = JSON.stringify([shares, maxBatch.map((limit) => limit ?? null), String(budgetMs)]);
    this.#aloneMs = profile.models.map((_, m) => this.fastestMs(m, 1));
    this.#wayMs = wayMs(profile.overhead);
  }

  canRun(model: number, device: number): boolean {
    return this.#tables[model][this.classOf[device]] !== undefined;
  }

  /** Device time of a batch on the fastest class. */
  fastestMs(model: number, batch: number): number {
    let fastest = Number.POSITIVE_INFINITY;
    for (const table of this.#tables[model]) if (table !== undefined) fastest = Math.min(fastest, stageMs(table, batch));
    return fastest;
  }

  /**
   * p95 of a cascade on idle devices, one request at a time: the time through the stages that more than a twentieth of the requests
   * reach. No plan is faster.
   */
  pathMs(models: ArrayLike<number>, reach: ArrayLike<number>, stages: number): number {
    let ms = this.#wayMs;
    for (let s = 0; s < stages; s++) if (reach[s] > TAIL) ms += this.#aloneMs[models[s]];
    return ms;
  }

  /** Largest batch of a model that a trigger starts on a device. */
  batchLimit(model: number, device: number): number {
    return (this.#tables[model][this.classOf[device]]?.length ?? 2) - 1;
  }

  /**
   * Requests that enter the cascade in one cycle of a device that runs all of its stages.
   * @param stages number of entries of `models` and `reach` to use.
   */
  cycleRequests(models: ArrayLike<number>, reach: ArrayLike<number>, stages: number, deviceClass: number): number {
    let high = 1;
    for (let s = 0; s < stages; s++) {
      const table = this.#tables[models[s]][deviceClass];
      if (table !== undefined && reach[s] > 0) high = Math.max(high, (table.length - 1) / reach[s]);
    }
    if (this.#cycleMs(models, reach, stages, deviceClass, high) <= this.#budgetMs) return high;
    let low = 1;
    while (high - low > 0.02 * low) {
      const middle = (low + high) / 2;
      if (this.#cycleMs(models, reach, stages, deviceClass, middle) <= this.#budgetMs) low = middle;
      else high = middle;
    }
    return low;
  }

  /** Device time per request that enters the cascade, averaged over the devices: 1 / (total throughput / devices). */
  workMs(models: ArrayLike<number>, reach: ArrayLike<number>, stages: number): number {
    let rate = 0;
    for (let k = 0; k < this.classes; k++) {
      const requests = this.cycleRequests(models, reach, stages, k);
      const ms = this.#cycleMs(models, reach, stages, k, requests);
      if (ms > 0) rate += (this.#devicesOfClass[k] * requests) / ms;
    }
    return this.devices / rate;
  }

  /** [stage][class]: device time per request *that enters the cascade* if the whole stage ran on that class; Infinity if it cannot. */
  stageCosts(models: readonly number[], reach: readonly number[]): number[][] {
    const requests = Array.from({ length: this.classes }, (_, k) => this.cycleRequests(models, reach, models.length, k));
    return models.map((model, s) =>
      requests.map((n, k) => {
        const table = this.#tables[model][k];
        return table === undefined ? Number.POSITIVE_INFINITY : stageMs(table, n * reach[s]) / n;
      }),
    );
  }

  #cycleMs(models: ArrayLike<number>, reach: ArrayLike<number>, stages: number, deviceClass: number, requests: number): number {
    let ms = 0;
    for (let s = 0; s < stages; s++) {
      const table = this.#tables[models[s]][deviceClass];
      if (table !== undefined) ms += stageMs(table, requests * reach[s]);
    }
    return ms;
  }
}

/** Expected device time of `x` requests per cycle: below 1, a batch of one in a fraction of cycles; above the limit, full batches. */
function stageMs(table: Float64Array, x: number): number {
  const limit = table.length - 1;
  if (x <= 1) return x * table[1];
  if (x >= limit) return (x / limit) * table[limit];
  const below = Math.floor(x);
  return table[below] + (x - below) * (table[below + 1] - table[below]);
}
