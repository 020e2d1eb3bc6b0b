import type { CompiledGear, CompiledPlan } from '../../plans/policy/compiled-plan.ts';
import { backlogFromMs, type GearRule, LOAD_INTERVAL_MS } from '../../plans/policy/gear-choice.ts';
import { GearChooser } from '../../plans/policy/gear-chooser.ts';
import { estimateLoad, LoadHistory, together } from '../../plans/policy/load-history.ts';
import { LoadScale } from '../../plans/policy/load-scale.ts';
import type { DeviceState, GearBasis, LoadReport } from '../../plans/protocol/control-messages.ts';

/** Reports and heartbeats older than this no longer count. */
export const STALE_AFTER_MS = 5 * LOAD_INTERVAL_MS;

/** A gear change; with `from` = `to`, the gear starts or stops being held by hysteresis. */
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
  /** Index of the gear in force: the pinned one, if any, else the chosen one. */
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
   * Puts another table of gears for the same models in force: those of a new plan, or for the loss of a device. The next decision
   * chooses from it without hysteresis; until then the nearest index of the new table is in force.
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
   * Pins a gear from the next decision on; undefined: the load chooses again. The load is tracked while a gear is pinned. A new table
   * ends the pin.
   */
  pin(gear: number | undefined): void {
    this.#pinned = gear;
  }

  /** Begins a controller's term with an epoch of at least `first`, and above `highest`, the highest seen so far. */
  beginTerm(first: number, highest: number): void {
    this.#epoch = Math.max(Math.floor(first), highest + 1);
  }

  /** The reason for the last decision; undefined before the first. */
  get basis(): GearBasis | undefined {
    return this.#basis;
  }

  /** Scales loads to a plan's mean load; undefined: loads are not scaled (see load-scale.ts). */
  scaleTo(plannedQps: number | undefined, now: number): void {
    this.#scale = plannedQps === undefined ? undefined : new LoadScale(plannedQps, now);
  }

  /** Returns true for a new frontend. */
  load(report: LoadReport, now: number): boolean {
    const known = this.#loads.get(report.frontend);
    const history = known?.history ?? new LoadHistory();
    history.add(report.arrivals, report.intervalMs);
    this.#loads.set(report.frontend, { history, at: now });
    this.#scale?.observe(report.arrivals, now);
    return known === undefined;
  }

  /** Returns true when the device has a backlog, which is a reason to decide at once. */
  state(state: DeviceState, now: number): boolean {
    this.#devices.set(state.device, { state, at: now });
    return state.backlogMs > backlogFromMs(this.#rule);
  }

  /** Stops counting the load of silent frontends. Returns true when there were any, or when no frontend reports. */
  forgetSilent(now: number): boolean {
    const known = this.#loads.size;
    for (const [frontend, { at }] of this.#loads) if (now - at > STALE_AFTER_MS) this.#loads.delete(frontend);
    return this.#loads.size < known || this.#loads.size === 0;
  }

  /** Chooses the gear; returns what changed, or undefined when nothing did. */
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

  /** The work waiting on all devices, from their heartbeats. Also updates their slowdowns. */
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
