import { catchError, defer, filter, map, merge, type Observable, of, switchMap, take, takeUntil, tap } from 'rxjs';
import type { Actor, ActorContext } from '../../engine/actor/actor.ts';
import { Channels } from '../../engine/actor/channel.ts';
import { every } from '../../engine/clock.ts';
import { messageOf } from '../../engine/errors.ts';
import type { CompiledPlan } from '../../plans/policy/compiled-plan.ts';
import type { GearRule } from '../../plans/policy/gear-choice.ts';
import { SpeedWatch } from '../../plans/policy/speed-watch.ts';
import { ABORT, COMMIT, GEAR, LOAD, PREPARE, STATE } from '../../plans/protocol/channels.ts';
import type { DeviceState, GearMessage, LoadReport } from '../../plans/protocol/control-messages.ts';
import type { EventOf, SpeedReport } from '../../plans/protocol/events.ts';
import type { Subjects } from '../../plans/protocol/subjects.ts';
import { describeSpeed } from '../device/describe-speed.ts';
import { type RevisedPlan, Router } from '../frontend/router.ts';
import { publishEvent } from './events.ts';
import { GearControl, STALE_AFTER_MS } from './gear-control.ts';
import { askForPlan } from './kept-plans.ts';
import { asRevised } from './revised-plan.ts';

export interface GearControllerOptions {
  readonly subjects: Subjects;
  /** The plan to begin with. */
  readonly plan: RevisedPlan;
  readonly rule: GearRule;
  /** Whether this controller is the one that acts; the others only listen, to be ready. */
  readonly leading$: Observable<boolean>;
  /** Number of the term that begins now; undefined where nobody counts terms: then clocks must agree. Default: undefined. */
  readonly beginTerm?: () => Promise<number | undefined>;
}

/** The gear in force is said again this often, for those who joined or missed it. */
const REPEAT_INTERVAL_MS = 1_000;
const SWEEP_INTERVAL_MS = 100;
/** By then each device that is there has told which epoch it acts on. */
const TERM_BEGINS_MS = 500;
/** More than there are changes in a term. */
const EPOCHS_PER_TERM = 2 ** 32;
const RETRY_MS = 500;
/** Devices that were never heard of count as lost only then: they may just be starting. */
const FIRST_HEARD_WITHIN_MS = 5_000;

/**
 * Adds up the load of all frontends and puts the gear for it in force: a table look-up (CascadeServe §5). Changes the table when
 * a plan is committed, and while a device is lost for which the plan has gears in reserve.
 */
export function gearControllerActor(options: GearControllerOptions): Actor {
  return {
    name: 'gear-controller',
    description: 'chooses the gear for the measured load',
    behaviour: (context) => new GearController(options, context).run(),
  };
}

class GearController {
  readonly #options: GearControllerOptions;
  readonly #context: ActorContext;
  readonly #channels: Channels;
  readonly #control: GearControl;
  /** Knows the plans and the devices; its own gear is the one last heard of, ours or another controller's. */
  readonly #router: Router;
  readonly #startedAt: number;
  readonly #seen = new Set<string>();
  readonly #gone = new Set<string>();
  readonly #speeds = new Map<string, SpeedWatch>();
  #leading = false;
  #revision: number;
  /** A plan that was committed and is not known here yet. */
  #awaited: number | undefined;
  #lost: string | undefined;
  #decidedAt = 0;
  /** Highest epoch that a device was heard to act on. */
  #heardEpoch = 0;
  #leadingSince = 0;

  constructor(options: GearControllerOptions, context: ActorContext) {
    this.#options = options;
    this.#context = context;
    this.#channels = new Channels(options.subjects.root, context);
    this.#startedAt = context.clock.now();
    this.#control = new GearControl(options.plan.plan, options.rule, this.#startedAt);
    this.#router = new Router(options.plan);
    this.#revision = options.plan.revision;
  }

  run(): Observable<unknown> {
    const { clock, drops, stopping$ } = this.#context;
    const { leading$ } = this.#options;
    const channels = this.#channels;
    return merge(
      channels.receive$(LOAD).pipe(tap((report) => this.#onLoad(report))),
      channels.receive$(STATE).pipe(tap((state) => this.#onState(state))),
      channels.receive$(GEAR).pipe(tap((gear) => this.#onGear(gear))),
      channels.receive$(PREPARE).pipe(
        asRevised(this.#router, drops),
        tap((revised) => this.#learn(revised)),
      ),
      channels.receive$(COMMIT).pipe(tap(({ revision }) => this.#adopt(revision))),
      channels.receive$(ABORT).pipe(tap(({ revision }) => this.#router.forget(revision))),
      leading$.pipe(
        // Until it has its number, this controller says nothing.
        switchMap((leading) => (leading ? this.#firstEpoch() : of(undefined))),
        tap((epoch) => this.#lead(epoch)),
      ),
      // Reports that stay away mean less load, too.
      every(clock, STALE_AFTER_MS).pipe(
        filter(() => this.#control.forgetSilent(clock.now())),
        tap(() => this.#decide()),
      ),
      every(clock, REPEAT_INTERVAL_MS).pipe(tap(() => this.#publish())),
      every(clock, SWEEP_INTERVAL_MS).pipe(
        tap(() => {
          this.#router.sweep(clock.now());
          this.#mindDevices();
        }),
      ),
    ).pipe(takeUntil(stopping$));
  }

  /** What the epochs of a term begin with, which is above those of the terms before, whatever is left of them. */
  #firstEpoch(): Observable<number> {
    const { clock, log } = this.#context;
    const { beginTerm } = this.#options;
    if (beginTerm === undefined) return of(clock.now());
    return defer(beginTerm).pipe(
      map((term) => (term === undefined ? clock.now() : term * EPOCHS_PER_TERM)),
      catchError((error, again$) => {
        log.warn({ reason: messageOf(error) }, 'no number for this term of the controller; trying again');
        return every(clock, RETRY_MS).pipe(
          take(1),
          switchMap(() => again$),
        );
      }),
    );
  }

  #lead(firstEpoch: number | undefined): void {
    this.#leading = firstEpoch !== undefined;
    if (firstEpoch === undefined) return;
    this.#decidedAt = this.#context.clock.now();
    this.#leadingSince = this.#context.clock.now();
    this.#control.beginTerm(firstEpoch, Math.max(this.#router.epoch, this.#heardEpoch));
    this.#decide();
    this.#publish();
  }

  #onLoad(report: LoadReport): void {
    // A frontend that has just started acts on the first gear until it is told of another.
    if (this.#control.load(report, this.#context.clock.now())) this.#publish();
    this.#decide();
  }

  #onState(state: DeviceState): void {
    const now = this.#context.clock.now();
    const behind = this.#control.state(state, now);
    this.#router.observe(state, now);
    this.#heardEpoch = Math.max(this.#heardEpoch, state.epoch);
    this.#surpass(state.epoch, now);
    this.#watchSpeed(state, now);
    this.#mindDevices();
    if (behind) this.#decide();
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
    if (report !== undefined) this.#tellSpeed(device, report);
  }

  /**
   * Where nobody counts terms, a predecessor whose clock was ahead of ours has left a later epoch than our term began with:
   * everybody would ignore us. Who leads for longer and hears of a later one has a successor, and must not surpass that.
   */
  #surpass(epoch: number, now: number): void {
    if (!this.#leading || epoch <= this.#control.epoch || now - this.#leadingSince > TERM_BEGINS_MS) return;
    this.#control.beginTerm(now, epoch);
    this.#publish();
  }

  #onGear(message: GearMessage): void {
    this.#router.apply(message);
    // While another controller leads, its plan is ours.
    if (!this.#leading && message.revision !== this.#revision) this.#adopt(message.revision);
  }

  #learn(revised: RevisedPlan): void {
    const { revision } = revised;
    this.#router.learn(revised);
    if (revision === this.#awaited) this.#adopt(revision);
  }

  /** A plan has been committed: from now on gears are of it. */
  #adopt(revision: number): void {
    if (this.#router.planOf(revision) === undefined) {
      this.#awaited = revision;
      askForPlan(this.#context.bus, this.#options.subjects);
      return;
    }
    this.#awaited = undefined;
    if (revision === this.#revision) return;
    this.#revision = revision;
    this.#control.scaleTo(this.#plan.scaleToQps, this.#context.clock.now());
    this.#useTable();
  }

  /** Takes the gears for the loss of a device, or those for all of them again. */
  #mindDevices(): void {
    const { there, gone } = this.#router.coverage(this.#plan);
    for (const device of there) {
      if (this.#gone.delete(device)) this.#tell({ type: 'device-back', device });
      this.#seen.add(device);
    }
    const starting = this.#context.clock.now() - this.#startedAt < FIRST_HEARD_WITHIN_MS;
    for (const device of gone) {
      if (this.#gone.has(device) || (starting && !this.#seen.has(device))) continue;
      this.#gone.add(device);
      this.#speeds.delete(device);
      this.#tell({ type: 'device-lost', device });
    }
    // With no device left, gears in reserve would help nobody.
    const lost =
      there.length === 0 ? this.#lost : gone.find((device) => this.#gone.has(device) && this.#plan.contingencies.has(device));
    if (lost === this.#lost) return;
    this.#lost = lost;
    this.#useTable();
  }

  #tell(event: EventOf<'device-lost' | 'device-back'>): void {
    if (!this.#leading) return;
    this.#context.log.warn({ device: event.device }, event.type);
    publishEvent(this.#context.bus, this.#options.subjects, event);
  }

  #tellSpeed(device: string, report: SpeedReport): void {
    if (!this.#leading) return;
    const text = describeSpeed(device, report);
    this.#context.log[report.state === 'slow' ? 'warn' : 'info']({ device, ...report }, text);
    publishEvent(this.#context.bus, this.#options.subjects, { type: 'device-speed', device, ...report, text });
  }

  get #plan(): CompiledPlan {
    return this.#router.planOf(this.#revision) ?? this.#router.plan;
  }

  #useTable(): void {
    const plan = this.#plan;
    if (this.#lost !== undefined && !plan.contingencies.has(this.#lost)) this.#lost = undefined;
    this.#control.use(this.#lost === undefined ? plan.gears : plan.contingencies.get(this.#lost)!);
    this.#decidedAt = this.#context.clock.now();
    this.#decide();
    this.#publish();
  }

  #decide(): void {
    if (!this.#leading) return;
    const now = this.#context.clock.now();
    const shift = this.#control.decide(now);
    if (shift === undefined) return;
    if (shift.from !== shift.to) this.#decidedAt = now;
    this.#publish();
    publishEvent(this.#context.bus, this.#options.subjects, { type: 'gear', revision: this.#revision, ...shift });
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
    };
    this.#channels.send(GEAR, message);
  }
}
