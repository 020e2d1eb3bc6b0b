import { type Effect, NO_EFFECTS, note, perform, send } from '../../engine/actor/effect.ts';
import type { Deployment } from '../../plans/domain/deployment/deployment.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import type { Profile } from '../../plans/domain/profile/profile.ts';
import type { AuditBounds } from '../../plans/drift/audit-estimate.ts';
import { DRIFT, EVENTS, TELL_PLAN } from '../../plans/protocol/channels.ts';
import type { DeviceState, GearMessage, LoadReport, PrepareMessage } from '../../plans/protocol/control-messages.ts';
import { DriftWatch } from './drift-watch.ts';
import { keepPlan } from './kept-plans.ts';
import type { Revision } from './plan-history.ts';

export interface DriftCoreOptions {
  /** The plan to begin with. */
  readonly start: Revision;
  /** The profile of a plan's weights, if known. Without it, only the load is compared, not certainties or audits. */
  readonly profileOf: (plan: GearPlan) => Pick<Profile, 'models'> | undefined;
  readonly settings: Deployment['drift'];
  /** Undefined: no audits. */
  readonly audit?: AuditBounds | undefined;
}

/** The task that plans for the measured load and pushes the plan. */
export type Replan = 'replan';

export interface ReplanOutcome {
  readonly state: 'done' | 'failed';
  /** How it ended, in words. */
  readonly text: string;
}

/** Measures drift, reports it, and starts replanning. */
export class DriftMonitorCore {
  readonly #options: DriftCoreOptions;
  readonly #plans: Map<number, GearPlan>;
  #watch: DriftWatch;
  #leading = false;
  #replanning = false;
  #replannedAt = Number.NEGATIVE_INFINITY;

  /** @param before the core of this actor before it was restarted. */
  constructor(options: DriftCoreOptions, now: number, before?: DriftMonitorCore) {
    const start = before?.inForce ?? options.start;
    this.#options = options;
    this.#plans = new Map([[start.revision, start.plan]]);
    this.#watch = this.#watchOf(start, now);
  }

  get inForce(): Revision {
    const { revision } = this.#watch;
    return { revision, plan: this.#plans.get(revision)! };
  }

  /** All controllers measure, so that any can take over; only the leader reports. */
  lead(leading: boolean): readonly Effect<Replan>[] {
    this.#leading = leading;
    return NO_EFFECTS;
  }

  onLoad(report: LoadReport): readonly Effect<Replan>[] {
    this.#watch.load(report);
    return NO_EFFECTS;
  }

  onState(state: DeviceState): readonly Effect<Replan>[] {
    this.#watch.state(state);
    return NO_EFFECTS;
  }

  onPrepare({ revision, plan }: PrepareMessage): readonly Effect<Replan>[] {
    keepPlan(this.#plans, revision, plan, this.#watch.revision);
    return NO_EFFECTS;
  }

  /** A new plan starts a new measurement, because its load ranges differ. */
  onGear({ revision }: GearMessage, now: number): readonly Effect<Replan>[] {
    if (revision === this.#watch.revision) return NO_EFFECTS;
    const plan = this.#plans.get(revision);
    if (plan === undefined) return [send(TELL_PLAN, new Uint8Array())];
    this.#watch = this.#watchOf({ revision, plan }, now);
    return NO_EFFECTS;
  }

  /** Once a second. */
  tick(now: number): readonly Effect<Replan>[] {
    const { report, events } = this.#watch.tick(now);
    if (!this.#leading) return NO_EFFECTS;
    const { replan, replanIntervalMs } = this.#options.settings;
    const effects: Effect<Replan>[] = [send(DRIFT, report)];
    for (const event of events) {
      const isBad = event.state === 'begins' || event.state === 'loss';
      effects.push(note(isBad ? 'warn' : 'info', event.type, { ...event }), send(EVENTS, event));
    }
    const due = now - this.#replannedAt >= replanIntervalMs;
    if (!report.qps.drifted || replan !== 'auto' || !due || this.#replanning) return effects;
    this.#replanning = true;
    this.#replannedAt = now;
    effects.push(
      note('info', 'replanning for the measured load'),
      send(EVENTS, { type: 'replan', state: 'begins' }),
      perform('replan'),
    );
    return effects;
  }

  /** If it failed, the plan in force stays, and the next attempt waits for the interval. */
  onReplanned({ state, text }: ReplanOutcome): readonly Effect<Replan>[] {
    this.#replanning = false;
    return [
      note(state === 'failed' ? 'error' : 'info', 'replanning for the measured load has ended', { outcome: text }),
      send(EVENTS, { type: 'replan', state, text }),
    ];
  }

  #watchOf(start: Revision, now: number): DriftWatch {
    const { profileOf, settings, audit } = this.#options;
    return new DriftWatch(start, profileOf(start.plan), settings, now, audit);
  }
}
