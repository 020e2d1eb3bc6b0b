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

export interface ActorSystem {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface RunningActor {
  readonly name: string;
  /** How often it was started again. */
  readonly restarts: number;
  /** What it dropped since the start, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  /**
   * Resolves when the actor has drained by itself or by `stop`; with the error when it is given up: it died of its configuration,
   * which a restart would not cure, or too often.
   */
  readonly finished: Promise<Error | undefined>;
  /** Drains; what has not drained after `graceMs` is cut off. Resolves to true when it drained in time. */
  stop(graceMs: number): Promise<boolean>;
}

const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 5_000;
/** An actor that lived this long starts its back-off from the beginning. */
const HEALTHY_AFTER_MS = 10_000;

/** How an actor's supervisor takes part in its life. */
export interface Supervision {
  /** Called when the actor dies of an error that a restart may cure. @returns why the actor is given up; undefined: it is restarted. */
  readonly onDeath?: (error: unknown) => Error | undefined;
  readonly onRestart?: () => void;
}

/** An actor that its supervisor can take down and start again along with another. */
export interface SupervisedActor extends RunningActor {
  /** Cuts the actor off until `resume`. */
  suspend(): void;
  resume(): void;
}

/**
 * Starts an actor: when a pipeline errors it is started again, after a growing pause, unless the error is a ConfigError or its
 * supervisor gives it up.
 */
export function startActor(actor: Actor, system: ActorSystem, supervision: Supervision = {}): SupervisedActor {
  const { bus, clock } = system;
  const log = system.log.child({ actor: actor.name });
  const drops = new Drops(log);
  const stopping$ = new ReplaySubject<void>(1);
  let restarts = 0;
  let backoffMs = FIRST_BACKOFF_MS;
  let stopping = false;
  let isFinished = false;
  let cancelRestart: () => void = () => undefined;
  let subscription: Subscription | undefined;
  let settle: (cause?: Error) => void = () => undefined;
  const finished = new Promise<Error | undefined>((resolve) => {
    settle = resolve;
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

  function restart(): void {
    restarts++;
    start();
  }

  function died(error: unknown, startedAt: number): void {
    if (stopping) {
      log.error({ err: error }, 'actor died while draining');
      finish();
      return;
    }
    const givenUp = error instanceof ConfigError ? error : supervision.onDeath?.(error);
    if (givenUp !== undefined) {
      if (givenUp !== error) log.error({ err: error }, givenUp.message);
      finish(givenUp);
      return;
    }
    if (clock.now() - startedAt >= HEALTHY_AFTER_MS) backoffMs = FIRST_BACKOFF_MS;
    log.error({ err: error, restartInMs: backoffMs }, 'actor died; it will be restarted');
    cancelRestart = clock.after(backoffMs, () => {
      restart();
      if (subscription?.closed === false) supervision.onRestart?.();
    });
    backoffMs = Math.min(2 * backoffMs, LONGEST_BACKOFF_MS);
  }

  function finish(cause?: Error): void {
    isFinished = true;
    settle(cause);
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
    suspend() {
      cancelRestart();
      subscription?.unsubscribe();
    },
    resume() {
      if (!stopping && !isFinished) restart();
    },
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
