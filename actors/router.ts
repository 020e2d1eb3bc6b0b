import type { DeviceState, GearMessage } from '../engine/wire/messages.ts';
import type { CompiledGear, CompiledPlan } from '../plans/policy/compiled-plan.ts';
import { pickDevice } from '../plans/policy/routing.ts';

/** A device that is silent for this long is lost (DESIGN §6); heartbeats come ten times as often. */
export const DEVICE_LOST_AFTER_MS = 1_000;

interface Presence {
  readonly phase: DeviceState['phase'];
  readonly incarnation: string;
  readonly seenAt: number;
}

/**
 * What a process knows of the gear in force and of the devices, and where it sends the next request of a model. Used by
 * frontends (first stage) and devices (later stages).
 */
export class Router {
  readonly plan: CompiledPlan;
  readonly #numberOf: ReadonlyMap<string, number>;
  readonly #presence = new Map<string, Presence>();
  readonly #usable: Uint8Array;
  /** Round-robin credits per gear, so that coming back to a gear continues its rotation. */
  readonly #credits: Float64Array[];
  /** Equal shares over all replicas, for when none of the gear's replicas can be reached. */
  readonly #anyReplica: Float64Array;
  readonly #anyCredit: Float64Array;
  #gear: CompiledGear;
  #epoch = 0;
  #sweptAt = 0;

  constructor(plan: CompiledPlan) {
    this.plan = plan;
    this.#numberOf = new Map(plan.devices.map((name, number) => [name, number]));
    this.#usable = new Uint8Array(plan.devices.length);
    this.#credits = plan.gears.map((gear) => new Float64Array(gear.shares.length));
    this.#anyReplica = Float64Array.from(plan.placed);
    this.#anyCredit = new Float64Array(plan.placed.length);
    this.#gear = plan.gears[0];
  }

  get gear(): CompiledGear {
    return this.#gear;
  }

  /** Puts a gear in force, unless the message is older than the one already acted on. */
  apply(message: GearMessage): void {
    if (message.epoch < this.#epoch || message.gear >= this.plan.gears.length) return;
    this.#epoch = message.epoch;
    this.#gear = this.plan.gears[message.gear];
  }

  /** Device for the next request of a model: by the gear's shares, else any replica; undefined when none can be reached. */
  route(model: number): string | undefined {
    const devices = this.plan.devices.length;
    const offset = model * devices;
    let picked = pickDevice(this.#gear.shares, this.#credits[this.#gear.index], offset, devices, this.#usable);
    if (picked === -1) picked = pickDevice(this.#anyReplica, this.#anyCredit, offset, devices, this.#usable);
    return picked === -1 ? undefined : this.plan.devices[picked];
  }

  /** True once every model of the gear in force has a replica to go to. */
  get complete(): boolean {
    const devices = this.plan.devices.length;
    return this.#gear.cascade.every((model) =>
      this.#usable.some((usable, d) => usable === 1 && this.plan.placed[model * devices + d] === 1),
    );
  }

  /** True of a device that has left or is lost: one that drains still finishes what it has. */
  isGone(device: string): boolean {
    const presence = this.#presence.get(device);
    return presence === undefined || presence.phase === 'left';
  }

  /** Takes a heartbeat in. Returns true when what was sent to this device before will not be answered by it any more. */
  observe(state: DeviceState, now: number): boolean {
    const number = this.#numberOf.get(state.device);
    if (number === undefined) return false;
    const before = this.#presence.get(state.device);
    this.#presence.set(state.device, { phase: state.phase, incarnation: state.incarnation, seenAt: now });
    this.#usable[number] = state.phase === 'ready' ? 1 : 0;
    const replaced = before !== undefined && before.incarnation !== state.incarnation;
    const left = state.phase === 'left' && before?.phase !== 'left';
    return replaced || left;
  }

  /** After a lost connection: what was sent to any device may be gone, so that each counts as replaced when it is heard again. */
  doubt(now: number): void {
    for (const [device, { phase }] of this.#presence) {
      if (phase === 'left') this.#presence.delete(device);
      else this.#presence.set(device, { phase, incarnation: '', seenAt: now });
    }
    this.#sweptAt = now;
  }

  /**
   * Devices that have become silent since the last sweep. When that is long ago we were stopped ourselves, and cannot tell:
   * undefined, and the devices have their time again.
   */
  sweep(now: number): string[] | undefined {
    const stopped = now - this.#sweptAt > DEVICE_LOST_AFTER_MS / 2;
    this.#sweptAt = now;
    if (stopped) {
      for (const [device, presence] of this.#presence) this.#presence.set(device, { ...presence, seenAt: now });
      return undefined;
    }
    const lost: string[] = [];
    for (const [device, { phase, seenAt }] of this.#presence) {
      if (phase === 'left' || now - seenAt < DEVICE_LOST_AFTER_MS) continue;
      lost.push(device);
      this.#presence.delete(device);
      this.#usable[this.#numberOf.get(device)!] = 0;
    }
    return lost;
  }
}
