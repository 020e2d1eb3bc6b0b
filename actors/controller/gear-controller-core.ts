import type { Question } from '../../engine/actor/channel.ts';
import { answer, drop, type Effect, NO_EFFECTS, note, send } from '../../engine/actor/effect.ts';
import { MalformedMessage, messageOf } from '../../engine/errors.ts';
import type { CompiledPlan } from '../../plans/policy/compiled-plan.ts';
import type { GearRule } from '../../plans/policy/gear-choice.ts';
import { SpeedWatch } from '../../plans/policy/speed-watch.ts';
import { EVENTS, GEAR, TELL_PLAN } from '../../plans/protocol/channels.ts';
import type {
  DeviceState,
  GearMessage,
  GearPin,
  LoadReport,
  PlanVerdict,
  PrepareMessage,
} from '../../plans/protocol/control-messages.ts';
import type { EventOf, SpeedReport } from '../../plans/protocol/events.ts';
import { describeEnd, type PinOrder, type PinVerdict, parsePinOrder } from '../../plans/protocol/pin-order.ts';
import { mayAnswerOn, type Subjects } from '../../plans/protocol/subjects.ts';
import { describeSpeed } from '../device/describe-speed.ts';
import { type RevisedPlan, Router } from '../frontend/router.ts';
import { GearControl } from './gear-control.ts';
import { revisedOrMalformed } from './revised-plan.ts';

/** After this time every reachable device has reported the epoch it acts on. */
const TERM_BEGINS_MS = 500;
/** Devices without any heartbeat yet count as lost only after this time, because they may be starting. */
const FIRST_HEARD_WITHIN_MS = 5_000;

const JSON_CODEC = { encode: (verdict: PinVerdict): Uint8Array => Buffer.from(JSON.stringify(verdict)) };

export interface GearControllerCoreOptions {
  readonly subjects: Subjects;
  /** The plan that is in force when the process starts. */
  readonly plan: RevisedPlan;
  readonly rule: GearRule;
}

/** Decides the gear. */
export class GearControllerCore {
  #effects: Effect[] = [];
  #now: number;
  readonly #subjects: Subjects;
  readonly #control: GearControl;
  /** Tracks plans and devices. Its gear is the last one announced, by this controller or another. */
  readonly #router: Router;
  readonly #startedAt: number;
  readonly #seen = new Set<string>();
  readonly #gone = new Set<string>();
  readonly #speeds = new Map<string, SpeedWatch>();
  #leading = false;
  #revision: number;
  /** A committed plan that we have not received yet. */
  #awaited: number | undefined;
  #lost: string | undefined;
  #decidedAt = 0;
  /** Highest epoch that any device has reported. */
  #highestDeviceEpoch = 0;
  #leadingSince = 0;
  #pin: GearPin | undefined;

  /** @param before the core of this actor before it was restarted: the plan that it had in force, and its pin, stay. */
  constructor({ subjects, plan: first, rule }: GearControllerCoreOptions, now: number, before?: GearControllerCore) {
    const plan = before?.inForce ?? first;
    this.#subjects = subjects;
    this.#now = now;
    this.#startedAt = now;
    this.#control = new GearControl(plan.plan, rule, now);
    this.#router = new Router(plan);
    this.#revision = plan.revision;
    this.#setPin(before?.pinned);
  }

  get pinned(): GearPin | undefined {
    return this.#pin;
  }

  get inForce(): RevisedPlan {
    return { revision: this.#revision, plan: this.#plan };
  }

  /** @param firstEpoch of the term that begins; undefined when another controller leads. */
  lead(firstEpoch: number | undefined, now: number): readonly Effect[] {
    return this.#at(now, () => {
      this.#leading = firstEpoch !== undefined;
      if (firstEpoch === undefined) return;
      this.#decidedAt = now;
      this.#leadingSince = now;
      this.#control.beginTerm(firstEpoch, Math.max(this.#router.epoch, this.#highestDeviceEpoch));
      this.#decide();
      this.#publish();
    });
  }

  onLoad(report: LoadReport, now: number): readonly Effect[] {
    return this.#at(now, () => {
      // A new frontend uses the first gear until it receives another.
      if (this.#control.load(report, now)) this.#publish();
      this.#decide();
    });
  }

  onState(state: DeviceState, now: number): readonly Effect[] {
    return this.#at(now, () => {
      const behind = this.#control.state(state, now);
      this.#router.observe(state, now);
      this.#highestDeviceEpoch = Math.max(this.#highestDeviceEpoch, state.epoch);
      this.#surpass(state.epoch, now);
      this.#watchSpeed(state, now);
      this.#updateLost();
      if (behind) this.#decide();
    });
  }

  onGear(message: GearMessage, now: number): readonly Effect[] {
    return this.#at(now, () => {
      this.#router.apply(message);
      // While another controller leads, we follow its plan.
      if (this.#leading) return;
      if (message.revision !== this.#revision) this.#adopt(message.revision);
      this.#setPin(message.pinned);
    });
  }

  get leads(): boolean {
    return this.#leading;
  }

  /** An operator's order, while this controller leads. */
  onPinOrder({ message, reply }: Question<Uint8Array>, now: number): readonly Effect[] {
    if (reply !== '' && !mayAnswerOn(this.#subjects, reply))
      return [drop(new MalformedMessage('pin', 'no permitted reply subject'))];
    const verdict = this.#verdictOn(message, now);
    const done = verdict.accepted
      ? this.#onPin(verdict, now)
      : [note('warn', 'rejected an order to pin a gear', { reason: verdict.reason })];
    return reply === '' ? done : [...done, answer(JSON_CODEC, verdict, reply)];
  }

  #verdictOn(message: Uint8Array, now: number): PinVerdict {
    let order: PinOrder;
    try {
      order = parsePinOrder(message);
    } catch (error) {
      return { accepted: false, reason: messageOf(error) };
    }
    const { gear, forMs } = order;
    if (gear === null) {
      if (forMs !== undefined) return { accepted: false, reason: 'forMs: needs a gear to pin; leave it out to release the pin' };
      return { accepted: true, gear, until: null };
    }
    const count = this.#control.gearCount;
    if (gear >= count) return { accepted: false, reason: `gear: ${gear}; the gears in force are 0 to ${count - 1}` };
    return { accepted: true, gear, until: forMs === undefined ? null : now + forMs };
  }

  #onPin({ gear, until }: Pick<GearPin, 'until'> & { readonly gear: number | null }, now: number): readonly Effect[] {
    return this.#at(now, () => {
      if (gear === null) this.#endPin('an operator released it');
      else {
        this.#setPin({ gear, until });
        this.#reportPin('pinned', gear, `gear ${gear} is pinned ${describeEnd(until)}`);
      }
      this.#decide();
      this.#publish();
    });
  }

  onPrepare(message: PrepareMessage, now: number): readonly Effect[] {
    return this.#at(now, () => {
      const revised = revisedOrMalformed(message, this.#router);
      if (revised instanceof MalformedMessage) this.#effects.push(drop(revised));
      else {
        this.#router.learn(revised);
        if (revised.revision === this.#awaited) this.#adopt(revised.revision);
      }
    });
  }

  /** This plan is now in force. */
  onCommit({ revision }: PlanVerdict, now: number): readonly Effect[] {
    return this.#at(now, () => this.#adopt(revision));
  }

  onAbort({ revision }: PlanVerdict): readonly Effect[] {
    this.#router.forget(revision);
    return NO_EFFECTS;
  }

  /** Missing reports mean less load, too. */
  forgetSilent(now: number): readonly Effect[] {
    return this.#at(now, () => {
      if (this.#control.forgetSilent(now)) this.#decide();
    });
  }

  /** Repeats the gear for processes that joined or missed it. */
  repeat(now: number): readonly Effect[] {
    return this.#at(now, () => this.#publish());
  }

  sweep(now: number): readonly Effect[] {
    return this.#at(now, () => {
      this.#router.sweep(now);
      this.#updateLost();
      if (this.#pin !== undefined && now >= (this.#pin.until ?? Number.POSITIVE_INFINITY)) {
        this.#endPin('its time is up');
        this.#decide();
        this.#publish();
      }
    });
  }

  #at(now: number, change: () => void): readonly Effect[] {
    this.#now = now;
    change();
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #watchSpeed(state: DeviceState, now: number): void {
    const { device } = state;
    let watch = this.#speeds.get(device);
    if (watch === undefined) {
      if (!this.#router.devices.includes(device)) return;
      watch = new SpeedWatch();
      this.#speeds.set(device, watch);
    }
    const report = watch.observe(state, now);
    if (report !== undefined) this.#reportSpeed(device, report);
  }

  /**
   * Without a term counter, a predecessor whose clock was ahead of ours has left an epoch later than ours, and everybody would ignore
   * us. If we have led for longer, a later epoch belongs to our successor, and we must not exceed it.
   */
  #surpass(epoch: number, now: number): void {
    if (!this.#leading || epoch <= this.#control.epoch || now - this.#leadingSince > TERM_BEGINS_MS) return;
    this.#control.beginTerm(now, epoch);
    this.#publish();
  }

  #adopt(revision: number): void {
    if (this.#router.planOf(revision) === undefined) {
      this.#awaited = revision;
      this.#effects.push(send(TELL_PLAN, new Uint8Array()));
      return;
    }
    this.#awaited = undefined;
    if (revision === this.#revision) return;
    this.#revision = revision;
    this.#control.scaleTo(this.#plan.scaleToQps, this.#now);
    this.#useTable();
  }

  /** Switches to the gears for a lost device, or back to those for all devices. */
  #updateLost(): void {
    const { there, gone } = this.#router.coverage(this.#plan);
    for (const device of there) {
      if (this.#gone.delete(device)) this.#reportDevice({ type: 'device-back', device });
      this.#seen.add(device);
    }
    const starting = this.#now - this.#startedAt < FIRST_HEARD_WITHIN_MS;
    for (const device of gone) {
      if (this.#gone.has(device) || (starting && !this.#seen.has(device))) continue;
      this.#gone.add(device);
      this.#speeds.delete(device);
      this.#reportDevice({ type: 'device-lost', device });
    }
    // With no device left, contingency gears are of no use.
    const lost =
      there.length === 0 ? this.#lost : gone.find((device) => this.#gone.has(device) && this.#plan.contingencies.has(device));
    if (lost === this.#lost) return;
    this.#lost = lost;
    this.#useTable();
  }

  #reportDevice(event: EventOf<'device-lost' | 'device-back'>): void {
    if (!this.#leading) return;
    this.#effects.push(note('warn', event.type, { device: event.device }), send(EVENTS, event));
  }

  #reportSpeed(device: string, report: SpeedReport): void {
    if (!this.#leading) return;
    const text = describeSpeed(device, report);
    this.#effects.push(
      note(report.state === 'slow' ? 'warn' : 'info', text, { device, ...report }),
      send(EVENTS, { type: 'device-speed', device, ...report, text }),
    );
  }

  get #plan(): CompiledPlan {
    return this.#router.planOf(this.#revision) ?? this.#router.plan;
  }

  #setPin(pin: GearPin | undefined): void {
    this.#pin = pin;
    this.#control.pin(pin && Math.min(pin.gear, this.#control.gearCount - 1));
  }

  /** The next decision follows the load. */
  #endPin(why: string): void {
    if (this.#pin === undefined) return;
    const { gear } = this.#pin;
    this.#setPin(undefined);
    this.#reportPin('ended', gear, `gear ${gear} is no longer pinned: ${why}`);
  }

  #reportPin(state: EventOf<'pin'>['state'], gear: number, text: string): void {
    if (!this.#leading) return;
    this.#effects.push(note('info', text), send(EVENTS, { type: 'pin', state, revision: this.#revision, gear, text }));
  }

  #useTable(): void {
    this.#endPin('the gears changed, because of a new plan or because a device was lost or came back');
    const plan = this.#plan;
    if (this.#lost !== undefined && !plan.contingencies.has(this.#lost)) this.#lost = undefined;
    this.#control.use(this.#lost === undefined ? plan.gears : plan.contingencies.get(this.#lost)!);
    this.#decidedAt = this.#now;
    this.#decide();
    this.#publish();
  }

  #decide(): void {
    if (!this.#leading) return;
    const now = this.#now;
    const shift = this.#control.decide(now);
    if (shift === undefined) return;
    if (shift.from !== shift.to) this.#decidedAt = now;
    this.#publish();
    this.#effects.push(send(EVENTS, { type: 'gear', revision: this.#revision, ...shift }));
  }

  #publish(): void {
    if (!this.#leading) return;
    const message: GearMessage = {
      revision: this.#revision,
      gear: this.#control.gear,
      ...(this.#lost === undefined ? {} : { lost: this.#lost }),
      epoch: this.#control.epoch,
      decidedAt: this.#decidedAt,
      ...(this.#control.basis === undefined ? {} : { basis: this.#control.basis }),
      ...(this.#pin === undefined ? {} : { pinned: this.#pin }),
    };
    this.#effects.push(send(GEAR, message));
  }
}
