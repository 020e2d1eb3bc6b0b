import type { Question } from '../../engine/actor/channel.ts';
import { type Effect, note, perform, send } from '../../engine/actor/effect.ts';
import { assertNever } from '../../engine/errors.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { COMMIT, EVENTS } from '../../plans/protocol/channels.ts';
import type {
  DeviceState,
  GearMessage,
  PlanVerdict,
  PreparedMessage,
  PrepareMessage,
} from '../../plans/protocol/control-messages.ts';
import { isSilent } from './plan-change.ts';
import type { Revision } from './plan-history.ts';
import type { PlanOutcome, PlanTask } from './plan-keeper-tasks.ts';
import { type PlanKnowledge, PlanOrders, type PlanOrdersOptions, placedDevices } from './plan-orders.ts';

export interface PlanKeeperCoreOptions extends PlanOrdersOptions {
  /** The plan this process started with. */
  readonly start: Revision;
  /** The plan in the file: put in force if it has never been. */
  readonly wanted: GearPlan;
}

/** Requests for the plan within this time get one announcement. */
const ANNOUNCE_INTERVAL_MS = 200;
const RETRY_MS = 500;
/** After the plan of the file was rejected, for example because a device was lost meanwhile. The pauses double. */
const WANTED_AGAIN_MS = { least: 5_000, most: 300_000 };

type Effects = readonly Effect<PlanTask>[];

/** Decides which plan is in force, and announces it while it leads. PlanOrders makes the changes. */
export class PlanKeeperCore {
  readonly #options: PlanKeeperCoreOptions;
  readonly #effects: Effect<PlanTask>[] = [];
  readonly #known: PlanKnowledge;
  readonly #orders: PlanOrders;
  #lead: 'elsewhere' | 'taking-over' | 'here' = 'elsewhere';
  #term = 0;
  /** When to retry taking over, or storing the plan in force; Infinity: in progress, or not needed. */
  #takeOverAt = Number.POSITIVE_INFINITY;
  #restoreAt = Number.POSITIVE_INFINITY;
  /** When to find out whether a plan came into force that the store did not confirm. */
  #settleAt = Number.POSITIVE_INFINITY;
  /** The plan last announced by any controller. It comes into force with its commit. */
  #announced: Revision | undefined;
  /** The plan of the file until it, or another plan of an operator, has come into force. */
  #wanted: GearPlan | undefined;
  #wantedAt = Number.NEGATIVE_INFINITY;
  #wantedPauseMs = WANTED_AGAIN_MS.least;
  #announcedAt = Number.NEGATIVE_INFINITY;

  /** @param before the core of this actor before it was restarted. */
  constructor(options: PlanKeeperCoreOptions, before?: PlanKeeperCore) {
    this.#options = options;
    this.#known = { current: before?.inForce ?? options.start, highest: 0, live: new Map() };
    this.#orders = new PlanOrders(options, this.#known, this.#effects);
  }

  get inForce(): Revision {
    return this.#known.current;
  }

  /** Whether it accepts orders and announces the plan on request. */
  get leads(): boolean {
    return this.#lead === 'here';
  }

  /** Waits for plans that are being stored, because their commit must be sent. */
  get isDrained(): boolean {
    return this.#orders.adopting === 0;
  }

  lead(leading: boolean): Effects {
    this.#depose();
    if (leading) {
      this.#lead = 'taking-over';
      this.#term++;
      this.#takeOver();
    }
    return this.#done();
  }

  stop(): Effects {
    this.#depose();
    return this.#done();
  }

  onState({ device, host, phase, incarnation, revision }: DeviceState, now: number): Effects {
    this.#known.highest = Math.max(this.#known.highest, revision);
    this.#known.live.set(device, { host, phase, incarnation, seenAt: now });
    return this.#done();
  }

  onPrepare(announced: PrepareMessage): Effects {
    // The plan in force is announced again while another is prepared, for processes that missed it.
    if (announced.revision !== this.#known.current.revision) this.#announced = announced;
    return this.#done();
  }

  onCommit({ revision }: PlanVerdict): Effects {
    // Remembered so that, if the store turns out empty, no outdated plan is restored.
    const announced = this.#announced;
    const isNewer = announced?.revision === revision && revision > this.#known.current.revision;
    if (isNewer && this.#options.check(announced.plan).length === 0) this.#known.current = announced;
    return this.#done();
  }

  /** The gear-controller missed the commit if its gears name an earlier plan; those of a later one are a successor's. */
  onGear({ revision }: GearMessage, now: number): Effects {
    const inForce = this.#known.current.revision;
    if (revision < inForce && now - this.#announcedAt >= ANNOUNCE_INTERVAL_MS) {
      this.#announce(now);
      this.#effects.push(send(COMMIT, { revision: inForce }));
    }
    return this.#done();
  }

  onPrepared(prepared: PreparedMessage, now: number): Effects {
    this.#orders.onPrepared(prepared, now);
    return this.#done();
  }

  /** An operator's order on `.control.plan`. */
  onOrder(order: Question<Uint8Array>): Effects {
    this.#orders.onOrder(order);
    return this.#done();
  }

  onPlanRequested(now: number): Effects {
    if (now - this.#announcedAt < ANNOUNCE_INTERVAL_MS) return this.#done();
    this.#announcedAt = now;
    // Read from the history, because a controller that was paused during a change may have completed it since.
    this.#effects.push(perform({ type: 'read-current', settles: false }));
    return this.#done();
  }

  /** The NATS server lost the history. */
  onHistoryLost(): Effects {
    this.#restore();
    return this.#done();
  }

  /** Ten times a second. */
  tick(now: number): Effects {
    if (now >= this.#takeOverAt) this.#takeOver();
    if (now >= this.#restoreAt) this.#restore();
    if (now >= this.#settleAt) this.#settle();
    if (this.leads && now >= this.#wantedAt && !this.#orders.isBusy) this.#proposeWanted(now);
    this.#orders.checkPrepared(now);
    return this.#done();
  }

  onOutcome(outcome: PlanOutcome, now: number): Effects {
    switch (outcome.type) {
      case 'took-over':
        if (this.#isTakingOver(outcome.term)) this.#begin(outcome.stored, outcome.knowsWanted, now);
        break;
      case 'restored':
        this.#note('warn', 'stored the plan in force again; earlier revisions are lost');
        break;
      case 'numbered':
        this.#orders.onNumbered(outcome.change, outcome.revision, now);
        break;
      case 'adopted':
        this.#wanted = undefined;
        this.#orders.onAdopted(outcome.change, outcome.next);
        break;
      case 'superseded':
        this.#orders.onSuperseded(outcome.change, outcome.next);
        break;
      case 'unconfirmed':
        this.#orders.onUnconfirmed(outcome.change, outcome.next, outcome.reason);
        this.#settleAt = now + RETRY_MS;
        break;
      case 'read':
        this.#orders.onRead(outcome.change, outcome.revision, outcome.plan);
        break;
      case 'current':
        if (outcome.stored !== undefined && outcome.stored.revision > this.#known.current.revision) this.#succeed(outcome.stored);
        this.#announce(now);
        break;
      case 'announced':
        break;
      case 'failed':
        this.#onFailed(outcome.task, outcome.reason, now);
        break;
      default:
        assertNever(outcome);
    }
    return this.#done();
  }

  #onFailed(task: PlanTask, reason: string, now: number): void {
    switch (task.type) {
      case 'take-over':
        if (!this.#isTakingOver(task.term)) return;
        this.#note('error', 'cannot reach the plan history; trying again', reason);
        this.#takeOverAt = now + RETRY_MS;
        return;
      case 'restore':
        if (!this.leads) return;
        this.#note('error', 'cannot store the plan in force again; still trying', reason);
        this.#restoreAt = now + RETRY_MS;
        return;
      case 'number':
        this.#orders.onNotStored(task.change, reason);
        return;
      case 'adopt':
        this.#orders.onNotAdopted(task.change, task.next, reason);
        return;
      case 'read':
      case 'read-before':
        this.#orders.onNotRead(task.change, reason);
        return;
      case 'read-current':
        if (task.settles) {
          this.#settleAt = now + RETRY_MS;
          return;
        }
        this.#note('warn', 'cannot reach the plan history; announcing the last known plan', reason);
        this.#announce(now);
        return;
      case 'announce':
        this.#note('warn', 'cannot announce the plan', reason);
        if (task.change !== undefined) this.#orders.onNotAnnounced(task.change, reason);
        return;
      default:
        assertNever(task);
    }
  }

  #isTakingOver(term: number): boolean {
    return this.#lead === 'taking-over' && term === this.#term;
  }

  /** Reads which plan is in force, because another controller may have changed it since we started. */
  #takeOver(): void {
    const { start } = this.#options;
    const { current } = this.#known;
    const isNew = current === start && start.revision === 1;
    this.#takeOverAt = Number.POSITIVE_INFINITY;
    this.#effects.push(perform({ type: 'take-over', term: this.#term, inForce: current, wasLost: !isNew }));
  }

  /** Announces the plan in force before accepting orders, so that operators who wait for a predecessor's verdict know that none will come. */
  #begin(stored: Revision | undefined, knowsWanted: boolean, now: number): void {
    if (stored !== undefined) this.#known.current = stored;
    const { revision } = this.#known.current;
    this.#lead = 'here';
    this.#wanted = knowsWanted ? undefined : this.#options.wanted;
    this.#wantedAt = now;
    this.#wantedPauseMs = WANTED_AGAIN_MS.least;
    this.#note('info', 'this controller leads');
    this.#announce(now);
    this.#effects.push(send(COMMIT, { revision }), send(EVENTS, { type: 'controller-leads', revision }));
  }

  #restore(): void {
    this.#restoreAt = Number.POSITIVE_INFINITY;
    this.#effects.push(perform({ type: 'restore', inForce: this.#known.current, noteWanted: this.#wanted === undefined }));
  }

  #proposeWanted(now: number): void {
    const wanted = this.#wanted;
    if (wanted === undefined || !this.#allThere(wanted, now)) return;
    this.#wantedAt = now + this.#wantedPauseMs;
    this.#wantedPauseMs = Math.min(2 * this.#wantedPauseMs, WANTED_AGAIN_MS.most);
    // One that cannot be served is rejected once; others may only lack a device.
    if (this.#options.check(wanted).length > 0) this.#wanted = undefined;
    this.#orders.propose(wanted, undefined);
  }

  #settle(): void {
    this.#settleAt = Number.POSITIVE_INFINITY;
    if (this.leads) this.#effects.push(perform({ type: 'read-current', settles: true }));
  }

  /** A later plan is in force according to the history: it was not confirmed, or was completed while this controller was paused. */
  #succeed(stored: Revision): void {
    const problems = this.#options.check(stored.plan);
    if (problems.length > 0) {
      this.#note(
        'warn',
        `revision ${stored.revision} is in force according to the history, but cannot be served`,
        problems.join('; '),
      );
      return;
    }
    const { revision } = stored;
    this.#known.current = stored;
    this.#note('info', 'plan adopted: it is in force according to the history');
    this.#effects.push(send(COMMIT, { revision }), send(EVENTS, { type: 'plan-adopted', revision }));
  }

  #depose(): void {
    this.#orders.depose();
    this.#lead = 'elsewhere';
    this.#settleAt = Number.POSITIVE_INFINITY;
    this.#takeOverAt = Number.POSITIVE_INFINITY;
    this.#restoreAt = Number.POSITIVE_INFINITY;
  }

  #announce(now: number): void {
    this.#announcedAt = now;
    this.#effects.push(perform({ type: 'announce', plan: this.#known.current }));
  }

  #allThere(plan: GearPlan, now: number): boolean {
    return placedDevices(plan).every((name) => {
      const device = this.#known.live.get(name);
      return device?.phase === 'ready' && !isSilent(device, now);
    });
  }

  #note(level: 'info' | 'warn' | 'error', text: string, reason?: string): void {
    const { revision } = this.#known.current;
    this.#effects.push(note(level, text, reason === undefined ? { revision } : { revision, reason }));
  }

  #done(): Effects {
    return this.#effects.splice(0);
  }
}
