import type { DeviceState, LoadReport } from '../engine/wire/messages.ts';
import type { CompiledGear, CompiledPlan } from '../plans/policy/compiled-plan.ts';
import { chooseGear, type GearRule, LOAD_INTERVAL_MS } from '../plans/policy/gear-choice.ts';

/** Reports and heartbeats older than this no longer count. */
export const STALE_AFTER_MS = 5 * LOAD_INTERVAL_MS;

interface GearChange {
  readonly from: number;
  readonly to: number;
  readonly qps: number;
  /** Longest queue of the first model, over devices. */
  readonly firstQueue: number;
  /** Requests waiting in all queues. */
  readonly backlog: number;
}

/** The controller's state, without bus or timers. */
export class GearControl {
  readonly #models: readonly string[];
  readonly #rule: GearRule;
  readonly #loads = new Map<string, { qps: number; at: number }>();
  readonly #queues = new Map<string, { queues: Readonly<Record<string, number>>; at: number }>();
  #gears: readonly CompiledGear[];
  #gear = 0;
  /** The table has changed since the last decision: the gear in force means nothing in it. */
  #anew = false;
  #epoch: number;

  constructor(plan: CompiledPlan, rule: GearRule, now: number) {
    this.#models = plan.models;
    this.#gears = plan.gears;
    this.#rule = rule;
    this.#epoch = Math.floor(now);
  }

  get gear(): number {
    return this.#gear;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /**
   * Puts another table of gears in force, for the same models (a new plan, the gears for the loss of a device). The gear is
   * chosen anew at the next decision, without hysteresis; until then the nearest index of the new table stands.
   */
  use(gears: readonly CompiledGear[]): void {
    this.#gears = gears;
    this.#gear = Math.min(this.#gear, gears.length - 1);
    this.#anew = true;
    this.#epoch++;
  }

  /** Begins a controller's term: with a higher epoch than any before, as its clock is later or it has heard of the last one. */
  beginTerm(now: number, heard: number): void {
    this.#epoch = Math.max(Math.floor(now), heard + 1);
  }

  /** Returns true when the frontend is a new one. */
  load(report: LoadReport, now: number): boolean {
    const known = this.#loads.has(report.frontend);
    this.#loads.set(report.frontend, { qps: (report.arrivals * 1_000) / report.intervalMs, at: now });
    return !known;
  }

  state(state: DeviceState, now: number): void {
    this.#queues.set(state.device, { queues: state.queues, at: now });
  }

  /** Returns true when reports stay away: those of a frontend, whose load no longer counts, or all. */
  forgetSilent(now: number): boolean {
    const known = this.#loads.size;
    for (const [frontend, { at }] of this.#loads) if (now - at > STALE_AFTER_MS) this.#loads.delete(frontend);
    return this.#loads.size < known || this.#loads.size === 0;
  }

  /** Chooses the gear; returns the change, or undefined when the gear stays. */
  decide(now: number): GearChange | undefined {
    this.forgetSilent(now);
    let qps = 0;
    for (const load of this.#loads.values()) qps += load.qps;
    const from = this.#gear;
    const first = this.#models[this.#gears[from].cascade[0]];
    let firstQueue = 0;
    let backlog = 0;
    for (const [device, { queues, at }] of this.#queues) {
      if (now - at > STALE_AFTER_MS) {
        this.#queues.delete(device);
        continue;
      }
      firstQueue = Math.max(firstQueue, queues[first] ?? 0);
      for (const model in queues) backlog += queues[model];
    }
    const rule = this.#anew ? { ...this.#rule, alpha: 0 } : this.#rule;
    const to = chooseGear(this.#gears, from, qps, firstQueue, backlog, rule);
    this.#anew = false;
    if (to === from) return undefined;
    this.#gear = to;
    this.#epoch++;
    return { from, to, qps, firstQueue, backlog };
  }
}
