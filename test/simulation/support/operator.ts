import type { Verdict } from '../../../actors/controller/plan-change.ts';
import type { Bus } from '../../../engine/bus/bus.ts';
import type { Clock } from '../../../engine/clock.ts';
import type { Random } from '../../../engine/random.ts';
import type { GearPlan } from '../../../plans/domain/gear-plan/gear-plan.ts';
import { TIMES } from './fault-plan.ts';
import { SUBJECTS } from './serving-processes.ts';

const TIMEOUT_MS = 2_500;
/** Plans are pushed until then, so that changes under way end before recovery. */
const LAST_AT_MS = TIMES.heal + 500;

/** An operator who pushes plans during faults: good ones, one for another deployment, or a rollback. */
export class Operator {
  readonly #plans: readonly GearPlan[];
  readonly #random: Random;
  readonly #violated: (what: string) => void;
  #highest = 0;
  accepted = 0;
  rejected = 0;

  constructor(plans: readonly GearPlan[], random: Random, violated: (what: string) => void) {
    this.#plans = plans;
    this.#random = random;
    this.#violated = violated;
  }

  start(bus: Bus, clock: Clock): void {
    for (const plan of this.#plans) {
      const foreign = this.#random.next() < 0.1;
      const order = foreign ? { ...plan, deployment: 'other' } : this.#random.next() < 0.15 ? { rollback: true } : plan;
      const data = Buffer.from(JSON.stringify(order));
      clock.after(TIMES.firstFault + this.#random.below(LAST_AT_MS - TIMES.firstFault), () => {
        bus.request(SUBJECTS.plan, data, { timeoutMs: TIMEOUT_MS }).then(
          (answer) => this.#onVerdict(JSON.parse(Buffer.from(answer.data).toString()) as Verdict, foreign),
          // Nobody leads, or the leader is gone: the outcome of the plan is unknown.
          () => this.rejected++,
        );
      });
    }
  }

  /** An accepted plan stays, or was followed by another. */
  atEnd(revision: number): void {
    if (revision < this.#highest) this.#violated(`revision ${this.#highest} was accepted and ${revision} is in force`);
  }

  #onVerdict(verdict: Verdict, foreign: boolean): void {
    if (!verdict.accepted) {
      this.rejected++;
      return;
    }
    this.accepted++;
    this.#highest = Math.max(this.#highest, verdict.revision);
    if (foreign) this.#violated(`a plan of another deployment was accepted as revision ${verdict.revision}`);
  }
}
