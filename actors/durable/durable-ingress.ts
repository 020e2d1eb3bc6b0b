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
  /** Name of the frontend beside it. */
  readonly name: string;
  readonly durable: DurableConfig;
  /** Emits when the frontend beside it takes requests: before, tries would be wasted. */
  readonly serving$: Observable<unknown>;
}

const FORGET_INTERVAL_MS = 1_000;
/** A store that is out of reach is asked for again after this. */
const RETRY_MS = 1_000;

/**
 * Durable ingress: requests that NATS has stored, and acknowledged to whoever published them on `.durable`, are asked of the
 * frontends like any others, and leave the store when their answer is published. So an acknowledged request is answered
 * whatever process of ours crashes, at least once:
 *
 * - the answer goes to the results subject (header `Cascade-Results` names one; `Cascade-Reply` names another subject), and the
 *   request leaves the store after that, in this order; a crash in between means that it is answered again, with the same id;
 * - a failure that would be the same again (INVALID_ARGUMENT, NOT_FOUND; any, after the deadline of the request) is an answer;
 * - after another failure the request is tried again, later each time; after `maxDeliver` tries it goes to the stream of dead
 *   letters, with the reason in headers, and its failure to the results subject;
 * - one that its client has given up (header `Cascade-Token`, then `Cascade-Cancel` on `.infer`) leaves the store without an answer;
 * - answers on results subjects are stored, too (`keepAnswers`), for those who were not connected when they came: NATS
 *   publishes to those who listen only. An answer to a `Cascade-Reply` elsewhere is not.
 *
 * What NATS itself does not promise: it writes a file store to the disk every two minutes by default (`sync_interval` of its
 * configuration), so that its crash loses nothing, but that of the machine or its power may lose what was acknowledged since,
 * unless `replicas` are on other machines. Memory storage survives crashes of ours only.
 */
export function durableIngressActor(options: DurableIngressOptions): Actor {
  const { name, durable } = options;
  return defineActor<DurableIngressCore, DurableTask, DurableOutcome>({
    name: `durable-ingress-${name}`,
    description: 'takes requests from the JetStream work queue and acknowledges them when they are answered',
    root: durable.subjects.root,
    // Bounded by `inFlight`: the server keeps what is not taken yet.
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

/** Stored requests, from when the frontend serves until the actor stops; then ENDED, once all are settled. */
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
        log.warn({ reason: messageOf(error) }, 'the store of requests is out of reach; trying again');
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
