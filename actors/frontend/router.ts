import type { CompiledGear, CompiledPlan } from '../../plans/policy/compiled-plan.ts';
import { pickDevice, sharesAtSpeed } from '../../plans/policy/routing.ts';
import type { DeviceState, GearMessage, Suspects } from '../../plans/protocol/control-messages.ts';
import { keepPlan } from '../controller/kept-plans.ts';
import type { Loss } from './suspects.ts';

/** A device that is silent for this long is lost; heartbeats are ten times as frequent. */
export const DEVICE_LOST_AFTER_MS = 1_000;

/** A gear plan with its number in the deployment's history. Devices are numbered as in the deployment in all plans. */
export interface RevisedPlan {
  readonly revision: number;
  readonly plan: CompiledPlan;
}

interface Presence {
  readonly phase: DeviceState['phase'];
  readonly incarnation: string;
  readonly backlogMs: number;
  readonly pid: number;
  readonly upMs: number;
  readonly suspects: Suspects | undefined;
  readonly spare: boolean;
  readonly seenAt: number;
}

/**
 * What a process knows about the plans, the gear in force and the devices, and where it sends the next request for a model. Used by
 * frontends (first stage) and devices (later stages).
 */
export class Router {
  readonly models: readonly string[];
  readonly devices: readonly string[];
  readonly #numberOf: ReadonlyMap<string, number>;
  readonly #presence = new Map<string, Presence>();
  /** [model * devices + device]: 1 when a warm replica is reachable. */
  readonly #usable: Uint8Array;
  readonly #plans = new Map<number, CompiledPlan>();
  /** Round-robin credits per gear of the plan in force, so that returning to a gear continues its rotation. */
  readonly #credits = new Map<CompiledGear, Float64Array>();
  /** Equal shares over all replicas, for when none of the gear's replicas is reachable. */
  readonly #anyReplica: Float64Array;
  readonly #anyCredit: Float64Array;
  /** Per device: its reported slowdown compared with the profile. */
  readonly #slowdown: Float64Array;
  /** Shares of the gear in force at the measured speed; undefined: not computed yet. */
  #shares: Float64Array | undefined;
  #revision: number;
  #gear: CompiledGear;
  #epoch = 0;
  #sweptAt = 0;

  constructor({ revision, plan }: RevisedPlan) {
    this.models = plan.models;
    this.devices = plan.devices;
    this.#numberOf = new Map(plan.devices.map((name, number) => [name, number]));
    this.#usable = new Uint8Array(plan.models.length * plan.devices.length);
    this.#anyReplica = new Float64Array(this.#usable.length).fill(1);
    this.#anyCredit = new Float64Array(this.#usable.length);
    this.#slowdown = new Float64Array(plan.devices.length).fill(1);
    this.#plans.set(revision, plan);
    this.#revision = revision;
    this.#gear = plan.gears[0];
  }

  get gear(): CompiledGear {
    return this.#gear;
  }

  get revision(): number {
    return this.#revision;
  }

  get epoch(): number {
    return this.#epoch;
  }

  get plan(): CompiledPlan {
    return this.#plans.get(this.#revision)!;
  }

  get inForce(): RevisedPlan {
    return { revision: this.#revision, plan: this.plan };
  }

  /** Records a plan, so that one of its gears can be put in force. A known plan is ignored. */
  learn({ revision, plan }: RevisedPlan): void {
    keepPlan(this.#plans, revision, plan, this.#revision);
  }

  /** Forgets a plan that will not take effect. */
  forget(revision: number): void {
    if (revision !== this.#revision) this.#plans.delete(revision);
  }

  /**
   * Puts a gear in force, unless the message is older than the last one applied.
   * @returns false when it belongs to an unknown plan: the old gear stays in force until the plan-keeper has announced the plan.
   */
  apply({ revision, gear, lost, epoch }: GearMessage): boolean {
    if (epoch < this.#epoch) return true;
    const plan = this.#plans.get(revision);
    const gears = lost === undefined ? plan?.gears : plan?.contingencies.get(lost);
    const next = gears?.[gear];
    if (next === undefined) return plan !== undefined;
    if (revision !== this.#revision) this.#credits.clear();
    this.#revision = revision;
    this.#epoch = epoch;
    this.#gear = next;
    this.#shares = undefined;
    return true;
  }

  /** Device for the next request of a model: by the gear's shares, else any replica; undefined when none is reachable. */
  route(model: number): string | undefined {
    const devices = this.devices.length;
    const offset = model * devices;
    this.#shares ??= sharesAtSpeed(this.#gear.shares, this.#slowdown);
    let picked = pickDevice(this.#shares, this.#creditsOf(this.#gear), offset, devices, this.#usable);
    if (picked === -1) picked = pickDevice(this.#anyReplica, this.#anyCredit, offset, devices, this.#usable);
    return picked === -1 ? undefined : this.devices[picked];
  }

  /** How many times longer than profiled a model takes on its fastest device: the plan's factor at the measured speed. */
  leastFactor(model: number): number {
    const { inferenceFactor } = this.plan;
    let least = Number.POSITIVE_INFINITY;
    for (let device = 0; device < this.devices.length; device++)
      if (this.#usable[model * this.devices.length + device] === 1)
        least = Math.min(least, inferenceFactor[device] * this.#slowdown[device]);
    return least === Number.POSITIVE_INFINITY ? 0 : least;
  }

  /** True once every model of the gear in force has a reachable replica. */
  get complete(): boolean {
    return this.#gear.cascade.every((model) => this.#isReachable(model));
  }

  /** Models of the gear in force without a reachable replica. */
  get missing(): string[] {
    return [...this.#gear.cascade].filter((model) => !this.#isReachable(model)).map((model) => this.models[model]);
  }

  #isReachable(model: number): boolean {
    const devices = this.devices.length;
    return this.#usable.subarray(model * devices, (model + 1) * devices).includes(1);
  }

  /** The devices on which a plan places replicas: those with a reachable one, and the others. */
  coverage({ placed }: CompiledPlan): { readonly there: string[]; readonly gone: string[] } {
    const there: string[] = [];
    const gone: string[] = [];
    this.devices.forEach((device, d) => {
      const replicas = this.models.map((_, model) => model * this.devices.length + d).filter((replica) => placed[replica] === 1);
      if (replicas.length > 0) (replicas.some((replica) => this.#usable[replica] === 1) ? there : gone).push(device);
    });
    return { there, gone };
  }

  /** A known plan. */
  planOf(revision: number): CompiledPlan | undefined {
    return this.#plans.get(revision);
  }

  /** True for a device that has left or is lost; one that drains still finishes its work. */
  isGone(device: string): boolean {
    const presence = this.#presence.get(device);
    return presence === undefined || presence.phase === 'left';
  }

  /** Computing time of the work queued on a device, as last reported; 0 when unknown. */
  backlogMs(device: string): number {
    return this.#presence.get(device)?.backlogMs ?? 0;
  }

  /** Whether a device, by number, holds a model and last reported spare time. */
  hasSpare(device: number, model: number): boolean {
    return this.#usable[model * this.devices.length + device] === 1 && this.#presence.get(this.devices[device])?.spare === true;
  }

  /** Processes a heartbeat. Returns how the device was lost if it will no longer answer what was sent to it before. */
  observe(state: DeviceState, now: number): Loss | undefined {
    const number = this.#numberOf.get(state.device);
    if (number === undefined) return undefined;
    const before = this.#presence.get(state.device);
    const { phase, incarnation, backlogMs, pid, upMs, suspects, spare = false } = state;
    this.#presence.set(state.device, { phase, incarnation, backlogMs, pid, upMs, suspects, spare, seenAt: now });
    if (state.slowdown !== this.#slowdown[number]) {
      this.#slowdown[number] = state.slowdown;
      this.#shares = undefined;
    }
    this.#setUsable(number, (model) => state.phase === 'ready' && Object.hasOwn(state.queues, model));
    if (phase === 'left' && before?.phase !== 'left') return { died: false, reported: suspects };
    if (before === undefined || before.incarnation === incarnation) return undefined;
    // A process that lives on has only lost what was sent to it, as after a pause or a new connection.
    const died = before.phase !== 'left' && (before.pid !== pid || upMs < before.upMs);
    return { died, reported: died ? before.suspects : undefined };
  }

  /** After a lost connection: messages to any device may be lost, so each counts as replaced at its next heartbeat. */
  markStale(now: number): void {
    for (const [device, presence] of this.#presence) {
      if (presence.phase === 'left') this.#presence.delete(device);
      else this.#presence.set(device, { ...presence, incarnation: '', seenAt: now });
    }
    this.#sweptAt = now;
  }

  /**
   * Devices that have become silent since the last sweep. If that was long ago, we were stopped ourselves and cannot tell: then it returns
   * undefined, and the devices get the full time again.
   */
  sweep(now: number): ReadonlyMap<string, Loss> | undefined {
    const stopped = now - this.#sweptAt > DEVICE_LOST_AFTER_MS / 2;
    this.#sweptAt = now;
    if (stopped) {
      for (const [device, presence] of this.#presence) this.#presence.set(device, { ...presence, seenAt: now });
      return undefined;
    }
    const lost = new Map<string, Loss>();
    for (const [device, { phase, seenAt, suspects }] of this.#presence) {
      if (phase === 'left' || now - seenAt < DEVICE_LOST_AFTER_MS) continue;
      lost.set(device, { died: true, reported: suspects });
      this.#presence.delete(device);
      this.#setUsable(this.#numberOf.get(device)!, () => false);
    }
    return lost;
  }

  #setUsable(device: number, usable: (model: string) => boolean): void {
    for (let model = 0; model < this.models.length; model++)
      this.#usable[model * this.devices.length + device] = usable(this.models[model]) ? 1 : 0;
  }

  #creditsOf(gear: CompiledGear): Float64Array {
    let credits = this.#credits.get(gear);
    if (credits === undefined) {
      credits = new Float64Array(gear.shares.length);
      this.#credits.set(gear, credits);
    }
    return credits;
  }
}
