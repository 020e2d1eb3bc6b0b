import { catchError, defer, map, type Observable, of, switchMap, take } from 'rxjs';
import type { Actor, ActorContext } from '../../engine/actor/actor.ts';
import { asked, defineActor, each, from, on, onlyWhile } from '../../engine/actor/define.ts';
import { every } from '../../engine/clock.ts';
import { messageOf } from '../../engine/errors.ts';
import { ABORT, COMMIT, GEAR, LOAD, PIN, PREPARE, STATE } from '../../plans/protocol/channels.ts';
import { STALE_AFTER_MS } from './gear-control.ts';
import { GearControllerCore, type GearControllerCoreOptions } from './gear-controller-core.ts';

export interface GearControllerOptions extends GearControllerCoreOptions {
  /** True while this controller leads; the others only listen, so that they can take over. */
  readonly leading$: Observable<boolean>;
  /** Number of the term that begins now. Undefined (the default): terms are not counted, and clocks must agree. */
  readonly beginTerm?: () => Promise<number | undefined>;
}

const REPEAT_INTERVAL_MS = 1_000;
const SWEEP_INTERVAL_MS = 100;
/** More than the gear changes of any term. */
const EPOCHS_PER_TERM = 2 ** 32;
const RETRY_MS = 500;

/**
 * Adds up the load of all frontends and looks up the gear for it (CascadeServe §5). Switches tables when a plan is committed, and
 * while a device is lost for which the plan has contingency gears.
 */
export function gearControllerActor(options: GearControllerOptions): Actor {
  return defineActor<GearControllerCore>({
    name: 'gear-controller',
    description: 'chooses the gear for the measured load',
    root: options.subjects.root,
    core: (now, _, before) => new GearControllerCore(options, now, before),
    reactions: [
      on(LOAD, (core, report, now) => core.onLoad(report, now)),
      on(STATE, (core, state, now) => core.onState(state, now)),
      on(GEAR, (core, gear, now) => core.onGear(gear, now)),
      on(PREPARE, (core, plan, now) => core.onPrepare(plan, now)),
      on(COMMIT, (core, verdict, now) => core.onCommit(verdict, now)),
      on(ABORT, (core, verdict) => core.onAbort(verdict)),
      from(
        (_, context) => firstEpochs$(options, context),
        (core, firstEpoch, now) => core.lead(firstEpoch, now),
      ),
      onlyWhile(
        (core) => core.leads,
        asked(PIN, (core, order, now) => core.onPinOrder(order, now)),
      ),
      each(STALE_AFTER_MS, (core, now) => core.forgetSilent(now)),
      each(REPEAT_INTERVAL_MS, (core, now) => core.repeat(now)),
      each(SWEEP_INTERVAL_MS, (core, now) => core.sweep(now)),
    ],
  });
}

/** The first epoch of each term that this controller leads; undefined when it stops leading. It stays silent until the term has a number. */
function firstEpochs$({ leading$, beginTerm }: GearControllerOptions, context: ActorContext): Observable<number | undefined> {
  return leading$.pipe(switchMap((leading) => (leading ? firstEpoch$(beginTerm, context) : of(undefined))));
}

/** The first epoch of a term, above all epochs of earlier terms. */
function firstEpoch$(beginTerm: GearControllerOptions['beginTerm'], { clock, log }: ActorContext): Observable<number> {
  if (beginTerm === undefined) return of(clock.now());
  return defer(beginTerm).pipe(
    map((term) => (term === undefined ? clock.now() : term * EPOCHS_PER_TERM)),
    catchError((error, again$) => {
      log.warn({ reason: messageOf(error) }, 'cannot get a number for this controller term; trying again');
      return every(clock, RETRY_MS).pipe(
        take(1),
        switchMap(() => again$),
      );
    }),
  );
}
