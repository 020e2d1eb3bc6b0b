import {
  concat,
  defer,
  endWith,
  filter,
  from as fromPromise,
  ignoreElements,
  map,
  type Observable,
  retry,
  switchMap,
  take,
  takeUntil,
} from 'rxjs';
import type { Actor, ActorContext } from '../../engine/actor/actor.ts';
import { defineActor, each, from, on } from '../../engine/actor/define.ts';
import type { QueuedMessage } from '../../engine/bus/work-queue.ts';
import { every } from '../../engine/clock.ts';
import { CascadeError, messageOf } from '../../engine/errors.ts';
import { CANCEL } from '../../plans/protocol/channels.ts';
import { DurableIngressCore, type DurableIngressCoreOptions } from './durable-ingress-core.ts';
import { type DurableConfig, declareStreams, ingressConsumer } from './durable-streams.ts';
import { type DurableOutcome, type DurableTask, durableTasks } from './durable-tasks.ts';

export interface DurableIngressOptions extends DurableIngressCoreOptions {
  /** Name of the frontend in the same process. */
  readonly name: string;
  readonly durable: DurableConfig;
  /** Emits when that frontend accepts requests; earlier attempts would be wasted. */
  readonly serving$: Observable<unknown>;
}

const FORGET_INTERVAL_MS = 1_000;
/** Delay before trying an unreachable store again. */
const RETRY_MS = 1_000;

/**
 * Durable ingress: NATS stores requests published on `.durable` and acknowledges them. This actor sends them to the frontends like any
 * other request, and removes them from the store once their answer is published. So an acknowledged request is answered at least
 * once, even if any of our processes crashes:
 *
 * - the answer goes to the results subject (or the one in header `Cascade-Results`, or the subject in `Cascade-Reply`), and only then
 *   the request leaves the store; after a crash in between, it is answered again with the same id;
 * - a failure that a retry would repeat (INVALID_ARGUMENT, NOT_FOUND; any failure after the request's deadline) is sent as the answer;
 * - after other failures the request is retried, with growing delays; after `maxDeliver` attempts it goes to the stream of dead
 *   letters, with the reason in headers, and the failure goes to the results subject;
 * - a request that its client cancels (header `Cascade-Token`, then `Cascade-Cancel` on `.infer`) leaves the store without an answer;
 * - answers on results subjects are stored, too (`keepAnswers`), for clients that were not connected, because plain NATS only
 *   delivers to current subscribers. An answer to another `Cascade-Reply` subject is not stored.
 *
 * Limits of NATS: by default it syncs a file store to disk every two minutes (`sync_interval` in its configuration). A crash of the
 * server loses nothing, but a crash or power loss of the machine may lose what was acknowledged since, unless there are `replicas` on
 * other machines. Memory storage only survives crashes of our processes.
 */
export function durableIngressActor(options: DurableIngressOptions): Actor {
  const { name, durable } = options;
  return defineActor<DurableIngressCore, DurableTask, DurableOutcome>({
    name: `durable-ingress-${name}`,
    description: 'takes requests from the JetStream work queue and acknowledges them when they are answered',
    root: durable.subjects.root,
    // Needs no mailbox, because `inFlight` bounds it: the server keeps the rest.
    hot: true,
    core: () => new DurableIngressCore(options),
    reactions: [
      from(
        (_, { bus }) => bus.losses$.pipe(filter(({ kind, name }) => kind === 'stream' && name === durable.streams.requests)),
        (core) => core.onStreamLost(),
      ),
      on(CANCEL, (core, cancellations, now) => core.onCancelled(cancellations, now)),
      from(
        (_, context) => requests$(options, context),
        (core, message, now) => (message === ENDED ? core.onEnded() : core.onTaken(message, now)),
      ),
      each(FORGET_INTERVAL_MS, (core, now) => core.forget(now)),
    ],
    tasks: (context) => durableTasks(durable, context),
    onOutcome: (core, outcome, now) => core.onOutcome(outcome, now),
    isDrained: (core) => core.isDrained,
  });
}

const ENDED = Symbol('no more requests come');

/** Stored requests, from when the frontend serves until the actor stops; then ENDED. */
function requests$(
  { durable, serving$ }: DurableIngressOptions,
  { bus, clock, log, stopping$ }: ActorContext,
): Observable<QueuedMessage | typeof ENDED> {
  const queues = bus.workQueues();
  const taken$ = defer(() =>
    concat(
      fromPromise(declareStreams(queues, durable)).pipe(ignoreElements()),
      queues.take$(ingressConsumer(durable), { limit: durable.settings.inFlight, until: stopping$ }),
    ),
  ).pipe(
    retry({
      delay: (error) => {
        if (!(error instanceof CascadeError)) throw error;
        log.warn({ reason: messageOf(error) }, 'cannot reach the request store; trying again');
        return every(clock, RETRY_MS).pipe(take(1), takeUntil(stopping$));
      },
    }),
  );
  return serving$.pipe(
    take(1),
    takeUntil(stopping$),
    switchMap(() => taken$),
    map((message): QueuedMessage | typeof ENDED => message),
    endWith(ENDED),
  );
}
