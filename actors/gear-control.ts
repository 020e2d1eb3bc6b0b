import type { DeviceState, GearBasis, LoadReport } from '../engine/wire/messages.ts';
import type { CompiledGear, CompiledPlan } from '../plans/policy/compiled-plan.ts';
import { chooseGear, type GearRule, LOAD_INTERVAL_MS } from '../plans/policy/gear-choice.ts';
import { LoadHistory, type MeasuredLoad, together } from '../plans/policy/load-history.ts';
import { LoadScale } from '../plans/policy/load-scale.ts';

/** Reports and heartbeats older than this no longer count. */
export const STALE_AFTER_MS = 5 * LOAD_INTERVAL_MS;

/** A gear that was put in force, or a higher one that is now held or no longer so. */
export interface GearShift {
  readonly from: number;
  readonly to: number;
  readonly basis: GearBasis;
}

/** The controller's state, without bus or timers. */
export class GearControl {
  readonly #models: readonly string[];
  readonly #rule: GearRule;
  readonly #loads = new Map<string, { history: LoadHistory; at: number }>();
  readonly #queues = new Map<string, { queues: Readonly<Record<string, number>>; at: number }>();
  #gears: readonly CompiledGear[];
  #gear = 0;
  /** The table has changed since the last decision: the gear in force means nothing in it. */
  #anew = false;
  #epoch: number;
  #basis: GearBasis | undefined;
  #scale: LoadScale | undefined;

  constructor(plan: CompiledPlan, rule: GearRule, now: number) {
    this.#models = plan.models;
    this.#gears = plan.gears;
    this.#rule = rule;
    this.#epoch = Math.floor(now);
    this.scaleTo(plan.scaleToQps, now);
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

  /** Begins a controller's term: with this epoch, or a higher one than any that it has heard of. */
  beginTerm(first: number, heard: number): void {
    this.#epoch = Math.max(Math.floor(first), heard + 1);
  }

  /** What the gear in force was last chosen by; undefined before the first decision. */
  get basis(): GearBasis | undefined {
    return this.#basis;
  }

  /** Another plan is meant for another mean load; undefined: its loads are taken as they are (see load-scale.ts). */
  scaleTo(plannedQps: number | undefined, now: number): void {
    this.#scale = plannedQps === undefined ? undefined : new LoadScale(plannedQps, now);
  }

  /** Returns true when the frontend is a new one. */
  load(report: LoadReport, now: number): boolean {
    const known = this.#loads.get(report.frontend);
    const history = known?.history ?? new LoadHistory();
    history.add(report.arrivals, report.intervalMs);
    this.#loads.set(report.frontend, { history, at: now });
    this.#scale?.observe(report.arrivals, now);
    return known === undefined;
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

  /** Chooses the gear; returns what has changed: the gear, or that one is held; undefined when nothing has. */
  decide(now: number): GearShift | undefined {
    this.forgetSilent(now);
    const last: MeasuredLoad[] = [];
    const window: MeasuredLoad[] = [];
    for (const { history } of this.#loads.values()) {
      last.push(history.over(LOAD_INTERVAL_MS));
      window.push(history.over(this.#rule.windowMs));
    }
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
    const inputs = {
      lastLoad: together(last),
      windowLoad: together(window),
      scale: this.#scale?.factor ?? 1,
      firstQueue,
      backlog,
    };
    const rule = this.#anew ? { ...this.#rule, alpha: 0 } : this.#rule;
    const { gear: to, basis } = chooseGear(this.#gears, from, inputs, rule);
    const wasHeld = this.#basis?.rule === 'held';
    this.#anew = false;
    this.#basis = basis;
    if (to !== from) {
      this.#gear = to;
      this.#epoch++;
    } else if ((basis.rule === 'held') === wasHeld) return undefined;
    return { from, to, basis };
  }
}
