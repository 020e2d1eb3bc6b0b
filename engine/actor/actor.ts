import { type Observable, ReplaySubject, type Subscription } from 'rxjs';
import type { Bus } from '../bus/bus.ts';
import type { Clock } from '../clock.ts';
import { ConfigError, messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import { Drops } from './drops.ts';

/** What the system gives an actor: its only access to the outside world. */
export interface ActorContext {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
  /** Counts the messages that the actor drops, across restarts. */
  readonly drops: Drops;
  /** Emits once, when the actor should drain: finish its work, accept nothing new, and complete. */
  readonly stopping$: Observable<void>;
}

/**
 * A named set of RxJS pipelines between subjects. `behaviour` builds them with fresh private state each time the actor starts;
 * the returned Observable completes when the actor has drained and errors when the actor dies.
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
  /** How often it has been restarted. */
  readonly restarts: number;
  /** Messages dropped since the start, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  /**
   * Resolves when the actor has drained, by itself or through `stop`. Resolves with an error when the actor is given up, because it
   * died too often or of a ConfigError, which a restart would not fix.
   */
  readonly finished: Promise<Error | undefined>;
  /** Drains the actor, and cuts it off after `graceMs`. Resolves to true if it drained in time. */
  stop(graceMs: number): Promise<boolean>;
}

const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 5_000;
/** An actor that lives this long resets its back-off. */
const HEALTHY_AFTER_MS = 10_000;

/** Hooks for the supervisor of an actor. */
export interface Supervision {
  /** Called when the actor dies of an error that a restart may fix. @returns why to give the actor up; undefined to restart it. */
  readonly onDeath?: (error: unknown) => Error | undefined;
  readonly onRestart?: () => void;
}

/** An actor that its supervisor can stop and restart along with another. */
export interface SupervisedActor extends RunningActor {
  /** Cuts the actor off until `resume`. */
  suspend(): void;
  resume(): void;
}

/**
 * Starts an actor. If a pipeline errors, the actor is restarted with a growing back-off, unless the error is a ConfigError or the
 * supervisor gives the actor up.
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

  // Only a warning: an actor that cannot be announced still works.
  bus
    .announce({ name: actor.name, description: actor.description })
    .catch((error) => log.warn({ reason: messageOf(error) }, 'could not announce the actor to the NATS services API'));
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
