import type { Question } from '../../engine/actor/channel.ts';
import { answer, type Effect, note, perform, send } from '../../engine/actor/effect.ts';
import { messageOf } from '../../engine/errors.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { ABORT, COMMIT, EVENTS } from '../../plans/protocol/channels.ts';
import type { PreparedMessage } from '../../plans/protocol/control-messages.ts';
import { answerSubject, type Subjects } from '../../plans/protocol/subjects.ts';
import { type LiveDevice, PlanChange, type Verdict } from './plan-change.ts';
import type { Revision } from './plan-history.ts';
import type { PlanTask } from './plan-keeper-tasks.ts';
import { type ParsedPlanOrder, readPlanOrder } from './plan-order.ts';

export interface PlanOrdersOptions {
  readonly subjects: Subjects;
  /** Returns a plan's problems for this deployment; empty if it can be served. */
  readonly check: (plan: GearPlan) => readonly string[];
  /** Time that devices have to load the new replicas of a plan. */
  readonly prepareTimeoutMs: number;
}

/** What the plan-keeper knows about plans and devices. */
export interface PlanKnowledge {
  current: Revision;
  /** Highest revision seen so far. Revisions are not reused, even when no store outlives the controller. */
  highest: number;
  readonly live: Map<string, LiveDevice>;
}

/** Only the history knows whether a change that was being stored came into force. */
const DEPOSED =
  'another controller may have taken over; `cascade status` shows the plan in force: push again if it is not this one';

const VERDICT = { encode: (verdict: Verdict) => Buffer.from(JSON.stringify(verdict)) };

interface Change {
  readonly number: number;
  /** Reply subject for the verdict; undefined: the plan-keeper itself started the change. */
  readonly reply: string | undefined;
  /** Names this change to operators who try another one at the same time. */
  name: string;
  plan: GearPlan | undefined;
  /** Set while the devices prepare it. */
  preparing: PlanChange | undefined;
}

/**
 * Operators' orders, one change at a time: it gets a revision, the devices prepare it, it is stored and comes into force. If any step
 * fails, it is aborted, and the old plan stays.
 */
export class PlanOrders {
  readonly #options: PlanOrdersOptions;
  readonly #known: PlanKnowledge;
  readonly #effects: Effect<PlanTask>[];
  #change: Change | undefined;
  #changes = 0;
  #adopting = 0;

  /** @param effects the list to which this adds its effects. */
  constructor(options: PlanOrdersOptions, known: PlanKnowledge, effects: Effect<PlanTask>[]) {
    this.#options = options;
    this.#known = known;
    this.#effects = effects;
  }

  /** Number of plans being stored. */
  get adopting(): number {
    return this.#adopting;
  }

  /** Whether a change is under way; others have to wait. */
  get isBusy(): boolean {
    return this.#change !== undefined;
  }

  onOrder({ message, reply }: Question<Uint8Array>): void {
    let order: ParsedPlanOrder;
    try {
      order = readPlanOrder(Buffer.from(message).toString());
    } catch (error) {
      this.#answer(reply, { accepted: false, reason: messageOf(error) });
      return;
    }
    if (order.type === 'plan') this.propose(order.plan, reply);
    else this.#rollBack(order.to, reply);
  }

  /** Begins a change. @param reply undefined: nobody waits for the verdict. */
  propose(plan: GearPlan, reply: string | undefined): void {
    const problems = this.#options.check(plan);
    const reason = problems.length > 0 ? problems.join('; ') : this.#busy();
    if (reason === undefined) this.#number(this.#open(reply), plan);
    else this.#report({ accepted: false, reason }, reply);
  }

  /** Another controller may lead from now on. */
  depose(): void {
    const reply = this.#change?.reply;
    if (reply !== undefined) this.#answer(reply, { accepted: false, reason: DEPOSED });
    this.#change = undefined;
  }

  onRead(number: number, revision: number, plan: GearPlan | undefined): void {
    this.#withChange(number, (change) => {
      const problems = plan === undefined ? [] : this.#options.check(plan);
      if (plan === undefined) this.#refuse(change, this.#noSuchRevision(revision));
      else if (problems.length > 0) this.#conclude(number, { accepted: false, reason: problems.join('; ') });
      else this.#number(change, plan);
    });
  }

  /** Starts the first phase: the devices load the new replicas. */
  onNumbered(number: number, revision: number, now: number): void {
    this.#known.highest = Math.max(this.#known.highest, revision);
    this.#withChange(number, (change) => {
      const plan = change.plan!;
      const { live } = this.#known;
      change.name = `a change to revision ${revision}`;
      const times = { now, timeoutMs: this.#options.prepareTimeoutMs };
      change.preparing = new PlanChange(revision, placedDevices(plan), live, times);
      const verdict = change.preparing.verdict(live, now);
      if (verdict?.accepted === false) this.#abort(change, verdict);
      else this.#effects.push(perform({ type: 'announce', change: number, plan: { revision, plan } }));
    });
  }

  onPrepared(prepared: PreparedMessage, now: number): void {
    this.#change?.preparing?.prepared(prepared);
    this.checkPrepared(now);
  }

  /** Starts the second phase once all devices are ready. */
  checkPrepared(now: number): void {
    const change = this.#change;
    const verdict = change?.preparing?.verdict(this.#known.live, now);
    if (change === undefined || verdict === undefined) return;
    if (!verdict.accepted) {
      this.#abort(change, verdict);
      return;
    }
    change.preparing = undefined;
    this.#adopting++;
    const next = { revision: verdict.revision, plan: change.plan! };
    this.#effects.push(perform({ type: 'adopt', change: change.number, next }));
  }

  /** The plan is in force, even if this controller has been deposed since. */
  onAdopted(number: number, next: Revision): void {
    const { revision } = next;
    this.#adopting--;
    this.#known.current = next;
    this.#effects.push(send(COMMIT, { revision }));
    this.#conclude(number, { accepted: true, revision });
  }

  onNotAdopted(number: number, { revision }: Revision, reason: string): void {
    this.#adopting--;
    this.#effects.push(send(ABORT, { revision }));
    this.onNotStored(number, reason);
  }

  /** Another controller has put a later plan in force. */
  onSuperseded(number: number, { revision }: Revision): void {
    this.#adopting--;
    this.#effects.push(send(ABORT, { revision }));
    const reason = `another controller put a plan in force while revision ${revision} was being prepared`;
    this.#conclude(number, { accepted: false, reason });
  }

  /** Devices keep the plan's replicas, because the next controller that reads the history may find it in force. */
  onUnconfirmed(number: number, { revision }: Revision, reason: string): void {
    this.#adopting--;
    const advice = `\`cascade status\` shows whether it is in force: push again if it is not`;
    this.#conclude(number, {
      accepted: false,
      reason: `the plan store did not confirm revision ${revision}: ${reason}; ${advice}`,
    });
  }

  onNotStored(number: number, reason: string): void {
    this.#conclude(number, { accepted: false, reason: `the plan cannot be stored: ${reason}` });
  }

  onNotRead(number: number, reason: string): void {
    this.#withChange(number, (change) => this.#refuse(change, reason));
  }

  onNotAnnounced(number: number, reason: string): void {
    this.#withChange(number, (change) => this.#abort(change, { accepted: false, reason }));
  }

  #rollBack(to: number | true, reply: string): void {
    const reason = this.#busy();
    if (reason !== undefined) {
      this.#answer(reply, { accepted: false, reason });
      return;
    }
    const change = this.#open(reply).number;
    const { revision } = this.#known.current;
    this.#effects.push(perform(to === true ? { type: 'read-before', change, revision } : { type: 'read', change, revision: to }));
  }

  #open(reply: string | undefined): Change {
    this.#change = { number: ++this.#changes, reply, name: 'another change', plan: undefined, preparing: undefined };
    return this.#change;
  }

  #number(change: Change, plan: GearPlan): void {
    const { current, highest } = this.#known;
    change.plan = plan;
    this.#effects.push(perform({ type: 'number', change: change.number, above: Math.max(current.revision, highest) }));
  }

  #abort(change: Change, verdict: Verdict): void {
    this.#effects.push(send(ABORT, { revision: change.preparing!.revision }));
    this.#conclude(change.number, verdict);
  }

  #conclude(number: number, verdict: Verdict): void {
    this.#withChange(number, ({ reply }) => {
      this.#change = undefined;
      this.#report(verdict, reply);
    });
  }

  /** There is no change to report; only the operator who gave the order gets an answer. */
  #refuse({ reply }: Change, reason: string): void {
    this.#change = undefined;
    if (reply !== undefined) this.#answer(reply, { accepted: false, reason });
  }

  #report(verdict: Verdict, reply: string | undefined): void {
    if (verdict.accepted) {
      const { revision } = verdict;
      this.#effects.push(note('info', 'plan adopted', { revision }), send(EVENTS, { type: 'plan-adopted', revision }));
    } else {
      const { reason } = verdict;
      const { revision } = this.#known.current;
      this.#effects.push(note('warn', 'plan rejected', { reason }), send(EVENTS, { type: 'plan-rejected', revision, reason }));
    }
    if (reply !== undefined) this.#answer(reply, verdict);
  }

  #answer(reply: string, verdict: Verdict): void {
    if (reply === '') return;
    try {
      this.#effects.push(answer(VERDICT, verdict, answerSubject(this.#options.subjects, reply, undefined)));
    } catch (error) {
      this.#effects.push(note('warn', 'cannot send the verdict on a plan', { reason: messageOf(error) }));
    }
  }

  #busy(): string | undefined {
    return this.#change && `${this.#change.name} is under way; try again when it is finished`;
  }

  #noSuchRevision(revision: number): string {
    return `there is no revision ${revision} to roll back to; revision ${this.#known.current.revision} is in force`;
  }

  /** Does nothing when that change is over. */
  #withChange(number: number, act: (change: Change) => void): void {
    if (this.#change?.number === number) act(this.#change);
  }
}

export function placedDevices({ placement }: GearPlan): string[] {
  return [...new Set(placement.map(({ device }) => device))];
}
