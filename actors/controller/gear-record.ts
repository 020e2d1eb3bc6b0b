import { gearsWithout } from '../../plans/domain/gear-plan/contingency.ts';
import { allGears, describeCascade, type GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import type { GearMessage, PrepareMessage } from '../../plans/protocol/control-messages.ts';
import type { EventOf } from '../../plans/protocol/events.ts';
import { keepPlan } from './kept-plans.ts';
import type { Revision } from './plan-history.ts';
import type { Decision, Status } from './status-report.ts';

const DECISIONS_KEPT = 20;

/** The plan and gear in force, as announced, and the time spent in each gear. */
export class GearRecord {
  readonly #plans: Map<number, GearPlan>;
  readonly #decisions: Decision[] = [];
  #plan: GearPlan;
  #revision: number;
  #gear: GearMessage | undefined;
  #switches = 0;
  #gearMs: number[];
  #inForceSince: number;

  constructor({ revision, plan }: Revision, now: number) {
    this.#plans = new Map([[revision, plan]]);
    this.#plan = plan;
    this.#revision = revision;
    this.#gearMs = allGears(plan).map(() => 0);
    this.#inForceSince = now;
  }

  get inForce(): Revision {
    return { revision: this.#revision, plan: this.#plan };
  }

  learn({ revision, plan }: PrepareMessage): void {
    keepPlan(this.#plans, revision, plan, this.#revision);
  }

  /** False for a gear of an unknown plan. */
  observe(message: GearMessage, now: number): boolean {
    this.#addTime(now);
    const plan = this.#plans.get(message.revision);
    if (plan === undefined) return false;
    if (message.revision !== this.#revision) {
      this.#plan = plan;
      this.#revision = message.revision;
      this.#gearMs = allGears(plan).map(() => 0);
    }
    if (this.#gear !== undefined && this.#gear.gear !== message.gear) this.#switches++;
    this.#gear = message;
    return true;
  }

  decided({ revision, from, to, basis }: EventOf<'gear'>, now: number): void {
    this.#decisions.unshift({ at: now, revision, from, to, basis });
    this.#decisions.length = Math.min(this.#decisions.length, DECISIONS_KEPT);
  }

  report(now: number): Pick<Status, 'gear' | 'gears' | 'decisions' | 'gearSwitches' | 'gearSeconds'> {
    this.#addTime(now);
    const message = this.#gear;
    const table = message?.lost === undefined ? this.#plan : (gearsWithout(this.#plan, message.lost) ?? this.#plan);
    const gears = allGears(table).map(({ qps, cascade, expected: { accuracy, accuracyInterval } }, i) => ({
      qps,
      cascade: describeCascade(cascade),
      expected: { accuracy, accuracyInterval },
      bestEffort: i >= table.gears.length,
    }));
    const inForce = message && gears[message.gear];
    return {
      gear: inForce === undefined ? null : { index: message!.gear, of: gears.length, ...inForce, ...circumstances(message!) },
      gears,
      decisions: this.#decisions,
      gearSwitches: this.#switches,
      gearSeconds: this.#gearMs.map((ms) => ms / 1_000),
    };
  }

  /** Adds the time since the last call to the gear in force. */
  #addTime(now: number): void {
    const gear = this.#gear;
    if (gear !== undefined && gear.lost === undefined && gear.gear < this.#gearMs.length)
      this.#gearMs[gear.gear] += now - this.#inForceSince;
    this.#inForceSince = now;
  }
}

function circumstances({ lost, pinned, basis }: GearMessage): Pick<NonNullable<Status['gear']>, 'lost' | 'pinned' | 'basis'> {
  return { lost: lost ?? null, pinned: pinned === undefined ? null : { until: pinned.until }, basis: basis ?? null };
}
