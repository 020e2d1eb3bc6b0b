import { merge, takeUntil, tap } from 'rxjs';
import type { Actor } from '../engine/actor/actor.ts';
import { every } from '../engine/clock.ts';
import { decode, encode } from '../engine/wire/codec.ts';
import type { DeviceState, GearMessage, LoadReport } from '../engine/wire/messages.ts';
import type { Subjects } from '../engine/wire/subjects.ts';
import type { CompiledPlan } from '../plans/policy/compiled-plan.ts';
import { chooseGear, type GearRule, LOAD_INTERVAL_MS } from '../plans/policy/gear-choice.ts';

export interface GearControllerOptions {
  readonly subjects: Subjects;
  readonly plan: CompiledPlan;
  readonly revision: number;
  readonly rule: GearRule;
}

/** The gear in force is said again this often, for those who joined or missed it. */
const REPEAT_INTERVAL_MS = 1_000;
/** Reports and heartbeats older than this no longer count. */
const STALE_AFTER_MS = 5 * LOAD_INTERVAL_MS;

/** Adds up the load of all frontends and puts the gear for it in force: a table look-up (CascadeServe §5). */
export function gearControllerActor(options: GearControllerOptions): Actor {
  return {
    name: 'gear-controller',
    description: 'chooses the gear for the measured load',
    behaviour: ({ bus, clock, stopping$ }) => {
      const core = new GearControl(options.plan, options.rule, clock.now());
      const publish = (): void => {
        const message: GearMessage = { revision: options.revision, gear: core.gear, epoch: core.epoch };
        bus.publish(options.subjects.gear, encode(message));
      };
      const decide = (): void => {
        const change = core.decide(clock.now());
        if (change === undefined) return;
        publish();
        bus.publish(options.subjects.events, encode({ type: 'gear', revision: options.revision, ...change }));
      };
      publish();
      return merge(
        bus.messages$(options.subjects.allLoad).pipe(
          tap(({ data }) => {
            // A frontend that has just started acts on the first gear until it is told of another.
            if (core.load(decode<LoadReport>(data), clock.now())) publish();
            decide();
          }),
        ),
        bus.messages$(options.subjects.allState).pipe(tap(({ data }) => core.state(decode<DeviceState>(data), clock.now()))),
        // Reports that stay away mean less load, too.
        every(clock, STALE_AFTER_MS).pipe(tap(decide)),
        every(clock, REPEAT_INTERVAL_MS).pipe(tap(publish)),
      ).pipe(takeUntil(stopping$));
    },
  };
}

export interface GearChange {
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
  readonly #plan: CompiledPlan;
  readonly #rule: GearRule;
  readonly #loads = new Map<string, { qps: number; at: number }>();
  readonly #queues = new Map<string, { queues: Readonly<Record<string, number>>; at: number }>();
  #gear = 0;
  #epoch: number;

  /** @param now the first epoch: a later controller's term begins with a higher one, as its clock is later. */
  constructor(plan: CompiledPlan, rule: GearRule, now: number) {
    this.#plan = plan;
    this.#rule = rule;
    this.#epoch = Math.floor(now);
  }

  get gear(): number {
    return this.#gear;
  }

  get epoch(): number {
    return this.#epoch;
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

  /** Chooses the gear; returns the change, or undefined when the gear stays. */
  decide(now: number): GearChange | undefined {
    let qps = 0;
    for (const [frontend, load] of this.#loads) {
      if (now - load.at > STALE_AFTER_MS) this.#loads.delete(frontend);
      else qps += load.qps;
    }
    const from = this.#gear;
    const first = this.#plan.models[this.#plan.gears[from].cascade[0]];
    let firstQueue = 0;
    let backlog = 0;
    for (const { queues, at } of this.#queues.values()) {
      if (now - at > STALE_AFTER_MS) continue;
      firstQueue = Math.max(firstQueue, queues[first] ?? 0);
      for (const model in queues) backlog += queues[model];
    }
    const to = chooseGear(this.#plan.gears, from, qps, firstQueue, backlog, this.#rule);
    if (to === from) return undefined;
    this.#gear = to;
    this.#epoch++;
    return { from, to, qps, firstQueue, backlog };
  }
}
