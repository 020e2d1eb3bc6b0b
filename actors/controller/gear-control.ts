import type { CompiledGear, CompiledPlan } from '../../plans/policy/compiled-plan.ts';
import { backlogFromMs, type GearRule, LOAD_INTERVAL_MS } from '../../plans/policy/gear-choice.ts';
import { GearChooser } from '../../plans/policy/gear-chooser.ts';
import { estimateLoad, LoadHistory, together } from '../../plans/policy/load-history.ts';
import { LoadScale } from '../../plans/policy/load-scale.ts';
import type { DeviceState, GearBasis, LoadReport } from '../../plans/protocol/control-messages.ts';

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
  readonly #devices = new Map<string, { state: DeviceState; at: number }>();
  readonly #deviceNumber: ReadonlyMap<string, number>;
  readonly #slowdown: Float64Array;
  readonly #chooser: GearChooser;
  /** Index of the gear in force: the one that is pinned, else the chosen one. */
  #gear = 0;
  #pinned: number | undefined;
  #epoch: number;
  #basis: GearBasis | undefined;
  #scale: LoadScale | undefined;

  constructor(plan: CompiledPlan, rule: GearRule, now: number) {
    this.#models = plan.models;
    this.#deviceNumber = new Map(plan.devices.map((device, number) => [device, number]));
    this.#slowdown = new Float64Array(plan.devices.length).fill(1);
    this.#chooser = new GearChooser(plan.gears, rule);
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
    this.#chooser.use(gears);
    this.#gear = this.#chooser.gear;
    this.#pinned = undefined;
    this.#epoch++;
  }

  get gearCount(): number {
    return this.#chooser.gears.length;
  }

  /**
   * From the next decision on this gear is in force; undefined: the one for the load again, which is followed meanwhile. A pin
   * ends with its table.
   */
  pin(gear: number | undefined): void {
    this.#pinned = gear;
  }

  /** Begins a controller's term: with this epoch, or a higher one than any that it has heard of. */
  beginTerm(first: number, highest: number): void {
    this.#epoch = Math.max(Math.floor(first), highest + 1);
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

  /** Returns true when more waits on the device than usual: that is a reason to choose now. */
  state(state: DeviceState, now: number): boolean {
    this.#devices.set(state.device, { state, at: now });
    return state.backlogMs > backlogFromMs(this.#rule);
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
    const { windowMs, noiseBand } = this.#rule;
    const histories = [...this.#loads.values()].map(({ history }) => history);
    const over = (ms: number) => together(histories.map((history) => history.over(ms)));
    const from = this.#gear;
    const decision = this.#chooser.decide(
      {
        load: estimateLoad(over, windowMs, noiseBand),
        scale: this.#scale?.factor ?? 1,
        slowdown: this.#slowdown,
        ...this.#waiting(this.#chooser.gears[this.#chooser.gear].cascade[0], now),
      },
      now,
    );
    const to = this.#pinned ?? decision.gear;
    const basis: GearBasis = this.#pinned === undefined ? decision.basis : { ...decision.basis, rule: 'pinned' };
    this.#gear = to;
    const wasHeld = this.#basis?.rule === 'held';
    this.#basis = basis;
    if (to !== from) this.#epoch++;
    else if ((basis.rule === 'held') === wasHeld) return undefined;
    return { from, to, basis };
  }

  /** What waits on all devices, by their heartbeats; takes in how fast they are. */
  #waiting(firstModel: number, now: number): { firstQueue: number; backlog: number; waitMs: number } {
    const first = this.#models[firstModel];
    let firstQueue = 0;
    let backlog = 0;
    let waitMs = 0;
    for (const [device, { state, at }] of this.#devices) {
      const number = this.#deviceNumber.get(device);
      const stale = now - at > STALE_AFTER_MS;
      if (number !== undefined) this.#slowdown[number] = stale ? 1 : state.slowdown;
      if (stale) {
        this.#devices.delete(device);
        continue;
      }
      firstQueue = Math.max(firstQueue, state.queues[first] ?? 0);
      for (const model in state.queues) backlog += state.queues[model];
      waitMs = Math.max(waitMs, state.backlogMs);
    }
    return { firstQueue, backlog, waitMs };
  }
}
