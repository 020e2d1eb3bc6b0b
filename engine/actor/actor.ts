import { type Observable, ReplaySubject, type Subscription } from 'rxjs';
import type { Bus } from '../bus/bus.ts';
import type { Clock } from '../clock.ts';
import { ConfigError, messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import { Drops } from './drops.ts';

/** What an actor gets from the system that runs it; everything it does to the world goes through this. */
export interface ActorContext {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
  /** Counts what the actor drops; it goes on through restarts. */
  readonly drops: Drops;
  /** Emits once, when the actor shall drain: finish what it has, take nothing new, complete. */
  readonly stopping$: Observable<void>;
}

/**
 * A named set of RxJS pipelines between subjects. `behaviour` builds them, with fresh private state, each time the actor is
 * started; the returned Observable completes when the actor has drained and errors when the actor dies.
 */
export interface Actor {
  readonly name: string;
  readonly description: string;
  readonly behaviour: (context: ActorContext) => Observable<unknown>;
}

export interface RunningActor {
  readonly name: string;
  /** How often it died and was started again. */
  readonly restarts: number;
  /** What it dropped since the start, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  /**
   * Resolves when the actor has drained by itself or by `stop`; with the error when it died of its configuration, which a
   * restart would not cure.
   */
  readonly finished: Promise<ConfigError | undefined>;
  /** Drains; what has not drained after `graceMs` is cut off. Resolves to true when it drained in time. */
  stop(graceMs: number): Promise<boolean>;
}

const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 5_000;
/** An actor that lived this long starts its back-off from the beginning. */
const HEALTHY_AFTER_MS = 10_000;

/**
 * Starts an actor under supervision: when a pipeline errors the actor is started again, after a growing pause, unless the error
 * is a ConfigError.
 */
export function startActor(actor: Actor, system: { bus: Bus; clock: Clock; log: Logger }): RunningActor {
  const { bus, clock } = system;
  const log = system.log.child({ actor: actor.name });
  const drops = new Drops(log);
  const stopping$ = new ReplaySubject<void>(1);
  let restarts = 0;
  let backoffMs = FIRST_BACKOFF_MS;
  let stopping = false;
  let cancelRestart: () => void = () => undefined;
  let subscription: Subscription | undefined;
  let finish: (cause?: ConfigError) => void = () => undefined;
  const finished = new Promise<ConfigError | undefined>((resolve) => {
    finish = resolve;
  });

  // An actor that cannot be announced still works, so this is a warning; so is one that the server refuses.
  bus
    .announce({ name: actor.name, description: actor.description })
    .catch((error) => log.warn({ reason: messageOf(error) }, 'not announced to the services API'));
  start();

  function start(): void {
    const startedAt = clock.now();
    let running: Observable<unknown>;
    try {
      running = actor.behaviour({ bus, clock, log, drops, stopping$ });
    } catch (error) {
      died(error, startedAt);
      return;
    }
    subscription = running.subscribe({ error: (error) => died(error, startedAt), complete: () => finish() });
  }

  function died(error: unknown, startedAt: number): void {
    if (stopping) {
      log.error({ err: error }, 'actor died while draining');
      finish();
      return;
    }
    if (error instanceof ConfigError) {
      finish(error);
      return;
    }
    if (clock.now() - startedAt >= HEALTHY_AFTER_MS) backoffMs = FIRST_BACKOFF_MS;
    log.error({ err: error, restartInMs: backoffMs }, 'actor died; it will be restarted');
    cancelRestart = clock.after(backoffMs, () => {
      restarts++;
      start();
    });
    backoffMs = Math.min(2 * backoffMs, LONGEST_BACKOFF_MS);
  }

  return {
    name: actor.name,
    get restarts() {
      return restarts;
    },
    get dropped() {
      return drops.counts;
    },
    finished,
    async stop(graceMs) {
      stopping = true;
      const waitsForRestart = subscription?.closed ?? true;
      cancelRestart();
      if (waitsForRestart) finish();
      stopping$.next();
      let inTime = true;
      const cancelCutOff = clock.after(graceMs, () => {
        inTime = false;
        finish();
      });
      await finished;
      cancelCutOff();
      subscription?.unsubscribe();
      return inTime;
    },
  };
}
