import highsModule from 'highs';
import type { Cascade } from '../cascade.ts';
import type { DeviceCosts } from './device-costs.ts';
import { type Balance, placementKey } from './draft-plan.ts';

// The package's types describe CommonJS: what they call `.default` is, for an ES module, the import itself.
const loadHighs = highsModule as unknown as typeof highsModule.default;

type Highs = Awaited<ReturnType<typeof loadHighs>>;
type Model = ReturnType<Highs['createModel']>;

/** Relative room around the optimum within which the second program may look for even shares. */
const SLACK = 1e-7;
/** Shares are written with six digits. */
const SHARE_STEPS = 1e6;

/**
 * Distributes the load of a cascade over the placed replicas such that the fullest device is as empty as possible
 * (CascadeServe §4.4). The optimum scales with QPS, so it is solved once per cascade and placement, per request.
 */
export class LoadBalancer {
  readonly #costs: DeviceCosts;
  readonly #highs: Highs;
  readonly #model: Model;
  readonly #fullest = new Map<string, number | undefined>();
  readonly #balances = new Map<string, Balance | undefined>();
  /** Linear programs solved. */
  solved = 0;

  private constructor(costs: DeviceCosts, highs: Highs) {
    this.#costs = costs;
    this.#highs = highs;
    this.#model = highs.createModel();
    this.#model.options.set({ output_flag: false, presolve: 'off' });
  }

  static async create(costs: DeviceCosts): Promise<LoadBalancer> {
    return new LoadBalancer(costs, await loadHighs());
  }

  dispose(): void {
    this.#model.dispose();
  }

  /**
   * Device time per request of the fullest device at the optimum.
   * @returns undefined when a model of the cascade has no replica.
   */
  fullestMs(cascade: Cascade, placed: Uint8Array): number | undefined {
    const key = `${cascade.key}|${placementKey(placed)}`;
    if (!this.#fullest.has(key)) this.#fullest.set(key, this.#minimiseFullest(cascade, placed)?.fullestMs);
    return this.#fullest.get(key);
  }

  /**
   * An optimal distribution; among those the one with the most even shares, so that replicas fill alike and plans read well.
   * @returns undefined when a model of the cascade has no replica.
   */
  balance(cascade: Cascade, placed: Uint8Array): Balance | undefined {
    const key = `${cascade.key}|${placementKey(placed)}`;
    if (!this.#balances.has(key)) this.#balances.set(key, this.#balance(cascade, placed));
    return this.#balances.get(key);
  }

  #balance(cascade: Cascade, placed: Uint8Array): Balance | undefined {
    const program = this.#minimiseFullest(cascade, placed);
    if (program === undefined) return undefined;
    const { devices, models } = this.#costs;
    const { replicas, costs } = program;
    const solution = program.shares ?? this.#evenShares(cascade, replicas, costs, program.fullestMs);
    const shares = new Float64Array(models * devices);
    for (let s = 0; s < cascade.models.length; s++) {
      const own = replicas.flatMap((replica, k) => (replica.stage === s ? [k] : []));
      const rounded = roundShares(own.map((k) => solution[k]));
      own.forEach((k, i) => {
        shares[cascade.models[s] * devices + replicas[k].device] = rounded[i];
      });
    }
    const deviceMs = new Float64Array(devices);
    replicas.forEach(({ stage, device }, k) => {
      deviceMs[device] += shares[cascade.models[stage] * devices + device] * costs[k];
    });
    return { shares, deviceMs, maxDeviceMs: Math.max(...deviceMs) };
  }

  /**
   * Variables: share of each replica, and the fullest device's time u. Minimise u, subject to
   * (a) the shares of a stage sum to 1; (b) on each device, sum of share * cost <= u.
   */
  #minimiseFullest(cascade: Cascade, placed: Uint8Array) {
    const { devices, classOf } = this.#costs;
    const stageCosts = this.#costs.stageCosts(cascade.models, cascade.reach);
    const replicas = cascade.models.flatMap((model, stage) =>
      classOf.flatMap((_, device) => (placed[model * devices + device] === 1 ? [{ stage, device }] : [])),
    );
    const costs = replicas.map(({ stage, device }) => stageCosts[stage][classOf[device]]);
    const stages = cascade.models.length;
    for (let s = 0; s < stages; s++) if (!replicas.some((replica) => replica.stage === s)) return undefined;

    if (this.#costs.classes === 1 && replicas.length === stages * devices) {
      // Equal devices that hold everything: equal shares are optimal.
      const total = stageCosts.reduce((sum, byClass) => sum + byClass[0], 0);
      return { replicas, costs, fullestMs: total / devices, shares: replicas.map(() => 1 / devices) };
    }
    const scale = Math.max(...costs);
    const u = replicas.length;
    const rows: Row[] = [];
    for (let s = 0; s < stages; s++)
      rows.push({ lower: 1, upper: 1, entries: replicas.flatMap((r, k) => (r.stage === s ? [[k, 1]] : [])) });
    for (let d = 0; d < devices; d++) {
      const load = replicas.flatMap((r, k): Entry[] => (r.device === d ? [[k, costs[k] / scale]] : []));
      if (load.length > 0) rows.push({ lower: -this.#highs.infinity, upper: 0, entries: [...load, [u, -1]] });
    }
    const solution = this.#solve([...replicas.map(() => 0), 1], rows);
    return { replicas, costs, fullestMs: solution[u] * scale, shares: undefined };
  }

  /** Keeps the fullest device at its optimum and minimises the sum over stages of the largest share. */
  #evenShares(
    cascade: Cascade,
    replicas: readonly { stage: number; device: number }[],
    costs: readonly number[],
    fullestMs: number,
  ): ArrayLike<number> {
    const infinity = this.#highs.infinity;
    const stages = cascade.models.length;
    const rows: Row[] = [];
    for (let s = 0; s < stages; s++)
      rows.push({ lower: 1, upper: 1, entries: replicas.flatMap((r, k) => (r.stage === s ? [[k, 1]] : [])) });
    for (let d = 0; d < this.#costs.devices; d++) {
      const load = replicas.flatMap((r, k): Entry[] => (r.device === d ? [[k, costs[k] / fullestMs]] : []));
      if (load.length > 0) rows.push({ lower: -infinity, upper: 1 + SLACK, entries: load });
    }
    replicas.forEach((replica, k) => {
      rows.push({
        lower: -infinity,
        upper: 0,
        entries: [
          [k, 1],
          [replicas.length + replica.stage, -1],
        ],
      });
    });
    return this.#solve([...replicas.map(() => 0), ...cascade.models.map(() => 1)], rows);
  }

  /** Minimises a linear objective over variables in [0, 1e6]. @throws Error when HiGHS does not end optimal: a defect. */
  #solve(objective: readonly number[], rows: readonly Row[]): Float64Array {
    const columns = objective.length;
    const starts = [0];
    for (const row of rows) starts.push(starts[starts.length - 1] + row.entries.length);
    const { constants } = this.#highs;
    this.#model.passModel({
      sense: constants.objectiveSense.minimize,
      numCols: columns,
      numRows: rows.length,
      colCost: objective,
      colLower: objective.map(() => 0),
      colUpper: objective.map(() => 1e6),
      rowLower: rows.map((row) => row.lower),
      rowUpper: rows.map((row) => row.upper),
      matrix: {
        format: 'csr',
        numRows: rows.length,
        numCols: columns,
        starts,
        indices: rows.flatMap((row) => row.entries.map(([column]) => column)),
        values: rows.flatMap((row) => row.entries.map(([, value]) => value)),
      },
    });
    this.#model.run();
    this.solved++;
    const status = this.#model.getModelStatus();
    if (status !== constants.modelStatus.optimal) throw new Error(`load balancing program ended with HiGHS status ${status}`);
    return this.#model.getSolution().colValue;
  }
}

type Entry = readonly [column: number, value: number];
interface Row {
  readonly lower: number;
  readonly upper: number;
  readonly entries: readonly Entry[];
}

/** Rounds to six digits such that the sum is exactly that of the rounded ones plus what the largest share takes up. */
function roundShares(shares: readonly number[]): number[] {
  const steps = shares.map((share) => Math.round(Math.max(0, share) * SHARE_STEPS));
  const largest = steps.indexOf(Math.max(...steps));
  steps[largest] += SHARE_STEPS - steps.reduce((sum, step) => sum + step, 0);
  return steps.map((step) => step / SHARE_STEPS);
}
