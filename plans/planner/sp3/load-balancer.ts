import type { Cascade } from '../../domain/cascade/cascade.ts';
import { type Balance, placementKey } from '../cycle/draft-plan.ts';
import type { DeviceCosts } from './device-costs.ts';
import type { Entry, LinearSolver, Row } from './linear-solver.ts';

/** Relative slack around the optimum for the second program, which looks for even shares. */
const SLACK = 1e-7;
/** Shares have eight digits: with six, the fullest of 16 devices could be up to 1e-5 above the optimum. */
const SHARE_STEPS = 1e8;

/** Devices of one class that hold the same stages of a cascade. They are interchangeable, so they get equal shares. */
interface Group {
  readonly deviceClass: number;
  readonly devices: readonly number[];
}

/** The share of a stage that a group may take. */
interface Slot {
  readonly stage: number;
  readonly group: number;
  /** Device time per request if the whole stage ran on one device of the group. */
  readonly cost: number;
}

interface Program {
  readonly stages: number;
  readonly groups: readonly Group[];
  readonly slots: readonly Slot[];
}

/**
 * Distributes the load of a cascade over the placed replicas to minimise the utilisation of the fullest device (CascadeServe §4.4).
 * The optimum scales with QPS, so it is solved once per cascade and placement, for one request. Like devices share a variable, so
 * programs stay small regardless of the number of devices.
 */
export class LoadBalancer {
  readonly #costs: DeviceCosts;
  readonly #solver: LinearSolver;
  readonly #fullest = new Map<string, number>();
  readonly #balances = new Map<string, Balance>();

  constructor(costs: DeviceCosts, solver: LinearSolver) {
    this.#costs = costs;
    this.#solver = solver;
  }

  /**
   * Device time per request of the fullest device at the optimum.
   * @returns undefined when a model of the cascade has no replica.
   */
  fullestMs(cascade: Cascade, placed: Uint8Array): number | undefined {
    const groups = this.#groups(cascade, placed);
    if (!cascade.models.every((model) => this.#hasReplica(model, placed))) return undefined;
    const shapes = [...groups].map(([shape, { devices }]) => `${shape}x${devices.length}`).sort();
    const key = `${cascade.key}|${shapes.join(' ')}`;
    const known = this.#fullest.get(key);
    if (known !== undefined) return known;
    const fullest = this.#minimiseFullest(this.#program(cascade, placed, groups));
    this.#fullest.set(key, fullest);
    return fullest;
  }

  /**
   * The optimal distribution with the most even shares, so that replicas fill evenly and plans are readable.
   * @returns undefined when a model of the cascade has no replica.
   */
  balance(cascade: Cascade, placed: Uint8Array): Balance | undefined {
    const fullestMs = this.fullestMs(cascade, placed);
    if (fullestMs === undefined) return undefined;
    const key = `${cascade.key}|${placementKey(placed)}`;
    const known = this.#balances.get(key);
    if (known !== undefined) return known;
    const balance = this.#balance(cascade, this.#program(cascade, placed, this.#groups(cascade, placed)), fullestMs);
    this.#balances.set(key, balance);
    return balance;
  }

  #balance(cascade: Cascade, program: Program, fullestMs: number): Balance {
    const { devices, models } = this.#costs;
    const solution = program.groups.length === 1 ? program.slots.map(() => 1) : this.#evenShares(program, fullestMs);
    const shares = new Float64Array(models * devices);
    const deviceMs = new Float64Array(devices);
    cascade.models.forEach((model, stage) => {
      const replicas = program.slots.flatMap((slot, k) => {
        const members = slot.stage === stage ? program.groups[slot.group].devices : [];
        return members.map((device) => ({ device, cost: slot.cost, share: solution[k] / members.length }));
      });
      const rounded = roundShares(replicas.map(({ share }) => share));
      replicas.forEach(({ device, cost }, i) => {
        shares[model * devices + device] = rounded[i];
        deviceMs[device] += rounded[i] * cost;
      });
    });
    return { shares, deviceMs, maxDeviceMs: Math.max(...deviceMs) };
  }

  #hasReplica(model: number, placed: Uint8Array): boolean {
    const { devices } = this.#costs;
    return placed.subarray(model * devices, (model + 1) * devices).includes(1);
  }

  /** Groups devices by class and the stages that they hold. Devices that hold no stage are in no group. */
  #groups(cascade: Cascade, placed: Uint8Array): Map<string, { deviceClass: number; devices: number[] }> {
    const { devices, classOf } = this.#costs;
    const groups = new Map<string, { deviceClass: number; devices: number[] }>();
    for (let device = 0; device < devices; device++) {
      let held = '';
      for (let s = 0; s < cascade.models.length; s++) if (placed[cascade.models[s] * devices + device] === 1) held += `,${s}`;
      if (held === '') continue;
      const shape = `${classOf[device]}:${held}`;
      const group = groups.get(shape);
      if (group === undefined) groups.set(shape, { deviceClass: classOf[device], devices: [device] });
      else group.devices.push(device);
    }
    return groups;
  }

  #program(cascade: Cascade, placed: Uint8Array, shapes: ReadonlyMap<string, Group>): Program {
    const stageCosts = this.#costs.stageCosts(cascade.models, cascade.reach);
    const groups = [...shapes.values()];
    const slots = cascade.models.flatMap((model, stage) =>
      groups.flatMap(({ deviceClass, devices }, group): Slot[] =>
        placed[model * this.#costs.devices + devices[0]] === 1 ? [{ stage, group, cost: stageCosts[stage][deviceClass] }] : [],
      ),
    );
    return { stages: cascade.models.length, groups, slots };
  }

  /**
   * Variables: each slot's share of its stage, and the fullest device's time u. Minimise u, subject to
   * (a) the shares of a stage sum to 1; (b) in each group, sum of share * cost / (devices of the group) <= u.
   */
  #minimiseFullest({ stages, groups, slots }: Program): number {
    // All devices are alike and hold everything, so equal shares are optimal.
    if (groups.length === 1) return slots.reduce((sum, slot) => sum + slot.cost, 0) / groups[0].devices.length;
    const scale = Math.max(...slots.map((slot) => slot.cost));
    const u = slots.length;
    const load = this.#loadRows(groups, slots, scale).map((row) => ({
      ...row,
      upper: 0,
      entries: [...row.entries, [u, -1] as Entry],
    }));
    const solution = this.#solver.minimise([...slots.map(() => 0), 1], [...sharesSumToOne(stages, slots), ...load]);
    return solution[u] * scale;
  }

  /** Keeps every device within the optimum and minimises the sum over stages of the largest share of one device. */
  #evenShares({ stages, groups, slots }: Program, fullestMs: number): ArrayLike<number> {
    const load = this.#loadRows(groups, slots, fullestMs).map((row) => ({ ...row, upper: 1 + SLACK }));
    const largest = slots.map(({ stage, group }, k): Row => {
      const entries: Entry[] = [
        [k, 1 / groups[group].devices.length],
        [slots.length + stage, -1],
      ];
      return { lower: -this.#solver.infinity, upper: 0, entries };
    });
    const objective = [...slots.map(() => 0), ...Array.from({ length: stages }, () => 1)];
    return this.#solver.minimise(objective, [...sharesSumToOne(stages, slots), ...load, ...largest]);
  }

  /** Time of one device of each group, in units of `scale`. */
  #loadRows(groups: readonly Group[], slots: readonly Slot[], scale: number): Row[] {
    return groups.map(({ devices }, g) => ({
      lower: -this.#solver.infinity,
      upper: this.#solver.infinity,
      entries: slots.flatMap((slot, k): Entry[] => (slot.group === g ? [[k, slot.cost / scale / devices.length]] : [])),
    }));
  }
}

function sharesSumToOne(stages: number, slots: readonly Slot[]): Row[] {
  return Array.from({ length: stages }, (_, s) => ({
    lower: 1,
    upper: 1,
    entries: slots.flatMap((slot, k): Entry[] => (slot.stage === s ? [[k, 1]] : [])),
  }));
}

/** Rounds to the digits of the plan file; the largest share absorbs the remainder, so that the sum is 1. */
function roundShares(shares: readonly number[]): number[] {
  const steps = shares.map((share) => Math.round(Math.max(0, share) * SHARE_STEPS));
  const largest = steps.indexOf(Math.max(...steps));
  steps[largest] += SHARE_STEPS - steps.reduce((sum, step) => sum + step, 0);
  return steps.map((step) => step / SHARE_STEPS);
}
