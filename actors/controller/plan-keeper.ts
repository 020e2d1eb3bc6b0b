import {
  catchError,
  concatMap,
  defer,
  EMPTY,
  filter,
  from,
  ignoreElements,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  retry,
  Subject,
  switchMap,
  take,
  takeUntil,
  tap,
} from 'rxjs';
import { z } from 'zod';
import type { Actor, ActorContext } from '../../engine/actor/actor.ts';
import { Channels } from '../../engine/actor/channel.ts';
import type { BusMessage } from '../../engine/bus/bus.ts';
import { every } from '../../engine/clock.ts';
import { ConfigError, messageOf } from '../../engine/errors.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { parsePlan } from '../../plans/domain/gear-plan/plan-file.ts';
import { ABORT, COMMIT, PREPARE, PREPARED, STATE } from '../../plans/protocol/channels.ts';
import type { DeviceState, PreparedMessage } from '../../plans/protocol/control-messages.ts';
import { answerSubject, type Subjects } from '../../plans/protocol/subjects.ts';
import { publishEvent } from './events.ts';
import { type LiveDevice, PlanChange, type Verdict } from './plan-change.ts';
import { PlanHistory, type Revision } from './plan-history.ts';

export interface PlanKeeperOptions {
  readonly subjects: Subjects;
  /** Bucket of the plans. */
  readonly bucket: string;
  /** The plan that this process began with. */
  readonly start: Revision;
  /** The plan of the file, an operator's wish: put in force if it never was. */
  readonly wanted: GearPlan;
  /** What is wrong with a plan for this deployment; empty for one that can be served. */
  readonly check: (plan: GearPlan) => readonly string[];
  /** Whether this controller is the one that acts. */
  readonly leading$: Observable<boolean>;
  /** How long devices may take to load what is new in a plan. */
  readonly prepareTimeoutMs: number;
}

const CHECK_INTERVAL_MS = 100;
/** Those who ask for the plan at the same time are told once. */
const TELL_INTERVAL_MS = 200;
const RETRY_MS = 500;
const SOURCE = 'the plan';
/** Whether a change that was being concluded came about, only the history knows. */
const DEPOSED =
  'another controller may have taken over meanwhile; `cascade status` tells the plan in force: push again if it is not this one';

/** An operator's order to go back, on `.control.plan` instead of a plan: to the plan before, or to a revision. */
const rollbackSchema = z.strictObject({ rollback: z.union([z.literal(true), z.int().positive()]) });

/**
 * Keeps the deployment's plan: takes new ones from operators, lets the devices load what is new in them beside what
 * they have, and puts them in force when all are ready, or not at all. Tells the plan to whoever has missed it.
 */
export function planKeeperActor(options: PlanKeeperOptions): Actor {
  return {
    name: 'plan-keeper',
    description: 'changes the gear plan without loss',
    behaviour: (context) => new PlanKeeper(options, context).run(),
  };
}

class PlanKeeper {
  readonly #options: PlanKeeperOptions;
  readonly #context: ActorContext;
  readonly #channels: Channels;
  readonly #live = new Map<string, LiveDevice>();
  readonly #prepared$ = new Subject<PreparedMessage>();
  /** Emits when another controller may lead from now on, be it that this one has to stop. */
  readonly #deposed$ = new Subject<void>();
  /** The plan that was told last, by whoever leads: in force when its commit comes. */
  #announced: Revision | undefined;
  #history: PlanHistory | undefined;
  #current: Revision;
  /** Highest revision that was heard of: numbers are not used twice, even where nothing outlives a controller. */
  #highest = 0;
  #busyWith: string | undefined;
  #wanted: GearPlan | undefined;
  #announcedAt = Number.NEGATIVE_INFINITY;

  constructor(options: PlanKeeperOptions, context: ActorContext) {
    this.#options = options;
    this.#context = context;
    this.#channels = new Channels(options.subjects.root, context);
    this.#current = options.start;
  }

  run(): Observable<unknown> {
    const { bus, clock, stopping$ } = this.#context;
    const { subjects, leading$ } = this.#options;
    const channels = this.#channels;
    const takeOver$ = defer(() => this.#takeOver()).pipe(
      catchError((error) => {
        // The server may have come back without its store.
        this.#history = undefined;
        throw error;
      }),
    );
    const lead$ = this.#untilDone(takeOver$, 'the plan history is out of reach; trying again').pipe(
      switchMap(() =>
        merge(
          this.#storedAgain$(),
          bus.messages$(subjects.plan).pipe(mergeMap((message) => this.#answer(message))),
          bus.messages$(subjects.tellPlan).pipe(mergeMap(() => from(this.#tellAgain()))),
          every(clock, CHECK_INTERVAL_MS).pipe(
            filter(() => this.#wanted !== undefined && this.#allThere(this.#wanted)),
            mergeMap(() => this.#propose()),
          ),
        ),
      ),
    );
    return merge(
      channels.receive$(STATE).pipe(tap((state) => this.#observe(state))),
      channels.receive$(PREPARED).pipe(tap((answer) => this.#prepared$.next(answer))),
      channels.receive$(PREPARE).pipe(
        tap((announced) => {
          this.#announced = announced;
        }),
      ),
      channels.receive$(COMMIT).pipe(
        tap(({ revision }) => {
          // A store that is found empty must not bring back a plan of long ago.
          const announced = this.#announced;
          const isNewer = announced?.revision === revision && revision > this.#current.revision;
          if (isNewer && this.#options.check(announced.plan).length === 0) this.#current = announced;
        }),
      ),
      leading$.pipe(
        tap((leading) => {
          this.#busyWith = undefined;
          if (!leading) this.#deposed$.next();
        }),
        switchMap((leading) => (leading ? lead$ : EMPTY)),
      ),
    ).pipe(takeUntil(stopping$.pipe(tap(() => this.#deposed$.next()))));
  }

  #observe({ device, host, phase, incarnation, revision }: DeviceState): void {
    this.#highest = Math.max(this.#highest, revision);
    this.#live.set(device, { host, phase, incarnation, seenAt: this.#context.clock.now() });
  }

  /** Finds out which plan is in force, and says so: another controller may have changed it since we started. */
  async #takeOver(): Promise<void> {
    const { bus, clock, log } = this.#context;
    const { bucket, check, start, wanted } = this.#options;
    // What is in memory only must not be forgotten when the lease comes back.
    this.#history ??= await PlanHistory.open(bus, clock, bucket, { watched: true });
    const history = this.#history;
    const stored = await storedPlan(history, check, (reason) => log.warn({ reason }, 'the stored plan cannot be served'));
    const isNew = this.#current === start && start.revision === 1;
    if (stored === undefined) await this.#store(history, !isNew);
    else this.#current = stored;
    this.#wanted = (await history.knows(wanted)) ? undefined : wanted;
    log.info({ revision: this.#current.revision }, 'this controller leads');
    this.#tell();
    this.#commit(this.#current.revision);
    // Before it takes orders: whoever waits for a verdict of a predecessor learns that none will come.
    publishEvent(bus, this.#options.subjects, { type: 'controller-leads', revision: this.#current.revision });
  }

  /** Fills a history that has nothing to serve: it is new, or it was lost, and must not bring back the plan of the file. */
  async #store(history: PlanHistory, wasLost: boolean): Promise<void> {
    const inForce = this.#current;
    await history.keep(inForce);
    await history.adopt(inForce);
    if (wasLost) await history.note({ revision: inForce.revision, plan: this.#options.wanted });
  }

  /** Stores the plan in force again, each time the NATS server has lost the history. */
  #storedAgain$(): Observable<never> {
    const { bus, log } = this.#context;
    return bus.losses$.pipe(
      filter(({ kind, name }) => kind === 'bucket' && name === this.#options.bucket),
      concatMap(() =>
        this.#untilDone(
          defer(() => this.#store(this.#history!, this.#wanted === undefined)),
          'the plan in force cannot be stored again; trying again',
        ),
      ),
      tap(() => log.warn({ revision: this.#current.revision }, 'the plan in force is stored again; earlier revisions are lost')),
      ignoreElements(),
    );
  }

  #untilDone<T>(action$: Observable<T>, complaint: string): Observable<T> {
    const { clock, log } = this.#context;
    return action$.pipe(
      retry({
        delay: (error) => {
          log.error({ reason: messageOf(error) }, complaint);
          return every(clock, RETRY_MS).pipe(take(1));
        },
      }),
    );
  }

  /** The answer to an operator's order, when it is carried out or refused. */
  #answer(message: BusMessage): Observable<never> {
    const { bus, log } = this.#context;
    const deposed$ = this.#deposed$.pipe(map((): Verdict => ({ accepted: false, reason: DEPOSED })));
    return merge(this.#orderOf(message), deposed$).pipe(
      take(1),
      catchError((error) => of<Verdict>({ accepted: false, reason: messageOf(error) })),
      tap((verdict) => {
        if (message.reply === '') return;
        try {
          bus.publish(answerSubject(this.#options.subjects, message.reply, undefined), Buffer.from(JSON.stringify(verdict)));
        } catch (error) {
          log.warn({ reason: messageOf(error) }, 'the verdict on a plan has nowhere to go');
        }
      }),
      ignoreElements(),
    );
  }

  #orderOf({ data }: BusMessage): Observable<Verdict> {
    const text = Buffer.from(data).toString();
    return defer(() => {
      const rollback = rollbackOf(text);
      if (rollback === undefined) return this.#change(parsePlan(text, SOURCE));
      return from(this.#earlier(rollback)).pipe(mergeMap((plan) => this.#change(plan)));
    });
  }

  async #earlier(rollback: number | true): Promise<GearPlan> {
    const revision = rollback === true ? this.#current.revision - 1 : rollback;
    const found = revision < 1 ? undefined : await this.#history?.get(revision);
    if (found !== undefined) return found.plan;
    throw new Error(`there is no revision ${revision} to go back to; in force is ${this.#current.revision}`);
  }

  #propose(): Observable<never> {
    const plan = this.#wanted!;
    this.#wanted = undefined;
    return this.#change(plan).pipe(ignoreElements());
  }

  #allThere(plan: GearPlan): boolean {
    return placedDevices(plan).every((device) => this.#live.get(device)?.phase === 'ready');
  }

  /** Both phases of a plan change; emits the verdict. A change that fails leaves all as it was. */
  #change(plan: GearPlan): Observable<Verdict> {
    return defer(() => {
      const problems = this.#options.check(plan);
      if (problems.length > 0) return of<Verdict>({ accepted: false, reason: problems.join('; ') });
      if (this.#busyWith !== undefined)
        return of<Verdict>({ accepted: false, reason: `${this.#busyWith} is under way; try again when it has ended` });
      this.#busyWith = 'another change';
      return from(this.#number()).pipe(
        mergeMap((revision) =>
          this.#prepare({ revision, plan }).pipe(mergeMap((verdict) => from(this.#conclude({ revision, plan }, verdict)))),
        ),
        catchError((error) => {
          this.#busyWith = undefined;
          return of<Verdict>({ accepted: false, reason: `the plan cannot be stored: ${messageOf(error)}` });
        }),
      );
    }).pipe(tap((verdict) => this.#report(verdict)));
  }

  /** Number of the plan that comes next. */
  async #number(): Promise<number> {
    const revision = await this.#history!.nextRevision(Math.max(this.#current.revision, this.#highest));
    this.#highest = revision;
    this.#busyWith = `a change to revision ${revision}`;
    return revision;
  }

  #prepare(next: Revision): Observable<Verdict> {
    const { clock } = this.#context;
    const { prepareTimeoutMs } = this.#options;
    return defer(() => {
      const times = { now: clock.now(), timeoutMs: prepareTimeoutMs };
      const change = new PlanChange(next.revision, placedDevices(next.plan), this.#live, times);
      const refused = change.verdict(this.#live, clock.now());
      if (refused?.accepted === false) return of(refused);
      this.#channels.send(PREPARE, next);
      return merge(this.#prepared$.pipe(tap((answer) => change.prepared(answer))), every(clock, CHECK_INTERVAL_MS)).pipe(
        map(() => change.verdict(this.#live, clock.now())),
        filter((verdict) => verdict !== undefined),
        take(1),
      );
    }).pipe(catchError((error) => of<Verdict>({ accepted: false, reason: messageOf(error) })));
  }

  async #conclude(next: Revision, verdict: Verdict): Promise<Verdict> {
    try {
      if (verdict.accepted) {
        await this.#history!.keep(next);
        await this.#history!.adopt(next);
        this.#current = next;
        this.#commit(next.revision);
        return verdict;
      }
    } catch (error) {
      this.#abort(next.revision);
      return { accepted: false, reason: `the plan cannot be stored: ${messageOf(error)}` };
    } finally {
      this.#busyWith = undefined;
    }
    this.#abort(next.revision);
    return verdict;
  }

  #report(verdict: Verdict): void {
    const { bus, log } = this.#context;
    if (verdict.accepted) log.info({ revision: verdict.revision }, 'plan adopted');
    else log.warn({ reason: verdict.reason }, 'plan rejected');
    publishEvent(
      bus,
      this.#options.subjects,
      verdict.accepted
        ? { type: 'plan-adopted', revision: verdict.revision }
        : { type: 'plan-rejected', revision: this.#current.revision, reason: verdict.reason },
    );
  }

  #commit(revision: number): void {
    this.#channels.send(COMMIT, { revision });
  }

  #abort(revision: number): void {
    this.#channels.send(ABORT, { revision });
  }

  /** Tells the plan in force to those who ask: by the history, as a controller that was stopped in a change may have ended it since. */
  async #tellAgain(): Promise<void> {
    const { clock, log } = this.#context;
    if (clock.now() - this.#announcedAt < TELL_INTERVAL_MS) return;
    this.#announcedAt = clock.now();
    try {
      const stored = await this.#history?.current();
      if (stored !== undefined && stored.revision > this.#current.revision) this.#current = stored;
    } catch (error) {
      log.warn({ reason: messageOf(error) }, 'the plan history is out of reach; telling the plan that was known last');
    }
    this.#tell();
  }

  #tell(): void {
    this.#announcedAt = this.#context.clock.now();
    this.#channels.send(PREPARE, this.#current);
  }
}

/**
 * The plan in force by the history, if it can be served here. With the next revision's number, the plan of the file takes the
 * place of one that cannot (see `startingPlan`).
 */
async function storedPlan(
  history: PlanHistory,
  check: (plan: GearPlan) => readonly string[],
  warn: (reason: string) => void,
): Promise<Revision | undefined> {
  let stored: Revision | undefined;
  try {
    stored = await history.current();
  } catch (error) {
    // Out of reach is not the same as unreadable: what is there must not be replaced.
    if (!(error instanceof ConfigError)) throw error;
    warn(error.message);
    return undefined;
  }
  const problems = stored === undefined ? [] : check(stored.plan);
  if (problems.length === 0) return stored;
  warn(problems.join('; '));
  return undefined;
}

/** The plan that a process begins with: the one in force by the history, else the file's, under the next number. */
export async function startingPlan(
  history: PlanHistory,
  file: GearPlan,
  check: (plan: GearPlan) => readonly string[],
  warn: (reason: string) => void,
): Promise<Revision> {
  // Asked first: a controller may put the first plan in force while we read, and what we found missing then has its number.
  const current = await history.currentRevision();
  if (current === undefined) return { revision: 1, plan: file };
  return (await storedPlan(history, check, warn)) ?? { revision: current + 1, plan: file };
}

function placedDevices({ placement }: GearPlan): string[] {
  return [...new Set(placement.map(({ device }) => device))];
}

function rollbackOf(text: string): number | true | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Not JSON: as a plan it is refused in words.
    return undefined;
  }
  if (typeof value !== 'object' || value === null || !('rollback' in value)) return undefined;
  const parsed = rollbackSchema.safeParse(value);
  if (parsed.success) return parsed.data.rollback;
  throw new Error(`rollback: ${JSON.stringify(value.rollback)}; write {"rollback": true} or {"rollback": 3}`);
}
