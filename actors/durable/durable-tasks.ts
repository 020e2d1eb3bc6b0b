import { catchError, defer, EMPTY, from, map, merge, type Observable, of, take } from 'rxjs';
import type { ActorContext } from '../../engine/actor/actor.ts';
import type { BusMessage } from '../../engine/bus/bus.ts';
import { reconnected$ } from '../../engine/bus/reconnected.ts';
import type { QueuedMessage } from '../../engine/bus/work-queue.ts';
import { assertNever, CascadeError } from '../../engine/errors.ts';
import type { DurableConfig } from './durable-streams.ts';

type Headers = Readonly<Record<string, string>>;

/** The durable ingress's slow work, each task for one stored request. */
export type DurableTask =
  /** Finds out how long ago it was stored; the reading of the server's clock may be `readingMs` old. */
  | { readonly type: 'read-age'; readonly message: QueuedMessage; readonly readingMs: number }
  /** Sends it to the frontends. */
  | { readonly type: 'ask'; readonly message: QueuedMessage; readonly headers: Headers; readonly timeoutMs: number }
  /** Publishes its answer; completes when the server has it. */
  | {
      readonly type: 'publish';
      readonly message: QueuedMessage;
      readonly subject: string;
      readonly data: Uint8Array;
      readonly headers: Headers;
    }
  /** Moves it to the dead letters. */
  | { readonly type: 'bury'; readonly message: QueuedMessage; readonly headers: Headers }
  /** Stores it again after its stream was lost. */
  | { readonly type: 'store-again'; readonly message: QueuedMessage; readonly headers: Headers }
  /** Removes it from the store, answered or dead-lettered. */
  | { readonly type: 'settle'; readonly message: QueuedMessage; readonly how: 'done' | 'abandon' }
  /** Returns it to the store for another attempt. */
  | { readonly type: 'retry'; readonly message: QueuedMessage; readonly delayMs: number };

export type DurableOutcome =
  | { readonly type: 'age'; readonly message: QueuedMessage; readonly ageMs: number; readonly readingMs: number }
  | { readonly type: 'answered'; readonly message: QueuedMessage; readonly answer: BusMessage }
  | { readonly type: 'published'; readonly message: QueuedMessage }
  | {
      readonly type: 'buried';
      readonly message: QueuedMessage;
      readonly letter: { readonly stream: string; readonly sequence: number };
    }
  | { readonly type: 'stored-again'; readonly message: QueuedMessage }
  | { readonly type: 'failed'; readonly task: DurableTask; readonly error: unknown };

const APPEND_TIMEOUT_MS = 5_000;

/** Runs the tasks over the bus and its work queues. */
export function durableTasks(
  { subjects, settings }: DurableConfig,
  { bus }: ActorContext,
): (task: DurableTask) => Observable<DurableOutcome> {
  const queues = bus.workQueues();

  /** The same at each attempt, so that the server keeps one copy. A sequence number alone may repeat after the stream was recreated. */
  const idOf = ({ stream, sequence, storedAt }: QueuedMessage): string => `${stream}-${sequence}-${storedAt}`;

  const append = (subject: string, message: QueuedMessage, data: Uint8Array, headers: Headers) =>
    from(queues.append(subject, data, { id: idOf(message), headers, timeoutMs: APPEND_TIMEOUT_MS }));

  const ask = ({ message, headers, timeoutMs }: Extract<DurableTask, { type: 'ask' }>): Observable<BusMessage> => {
    // The answer may have been sent while we were disconnected.
    const broken$ = reconnected$(bus).pipe(
      map((): never => {
        throw new CascadeError('UNAVAILABLE', 'the connection to NATS was lost while the request was in flight');
      }),
    );
    return merge(from(bus.request(subjects.infer, message.data, { timeoutMs, headers })), broken$).pipe(take(1));
  };

  const publish = ({ message, subject, data, headers }: Extract<DurableTask, { type: 'publish' }>): Observable<unknown> => {
    const isResult = subject === subjects.results || subject.startsWith(`${subjects.results}.`);
    if (isResult && settings.keepAnswersMs > 0) return append(subject, message, data, headers);
    if (!bus.publish(subject, data, { headers })) throw new CascadeError('UNAVAILABLE', 'no connection to NATS for the answer');
    return from(bus.flush());
  };

  const carryOut = (task: DurableTask): Observable<DurableOutcome> => {
    const { message } = task;
    switch (task.type) {
      case 'read-age': {
        const { readingMs } = task;
        return from(message.ageMs(readingMs)).pipe(map((ageMs) => ({ type: 'age', message, ageMs, readingMs })));
      }
      case 'ask':
        return ask(task).pipe(map((answer) => ({ type: 'answered', message, answer })));
      case 'publish':
        return publish(task).pipe(map(() => ({ type: 'published', message })));
      case 'bury':
        return append(subjects.dead, message, message.data, task.headers).pipe(
          map(({ stream, sequence }) => ({ type: 'buried', message, letter: { stream, sequence } })),
        );
      case 'store-again':
        return append(subjects.durable, message, message.data, task.headers).pipe(map(() => ({ type: 'stored-again', message })));
      case 'settle':
        message[task.how]();
        return EMPTY;
      case 'retry':
        message.retry(task.delayMs);
        return EMPTY;
      default:
        return assertNever(task);
    }
  };

  return (task) => defer(() => carryOut(task)).pipe(catchError((error) => of<DurableOutcome>({ type: 'failed', task, error })));
}
