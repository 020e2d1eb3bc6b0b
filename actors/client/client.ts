import { randomUUID } from 'node:crypto';
import { mergeMap, type Observable } from 'rxjs';
import { NO_SUBJECT_TOKEN, SUBJECT_TOKEN } from '../../engine/actor/subject.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import type { NatsOptions } from '../../engine/bus/nats-options.ts';
import type { Stored } from '../../engine/bus/work-queue.ts';
import { type Clock, LONGEST_TIMER_MS, realClock } from '../../engine/clock.ts';
import { CascadeError, invalid, messageOf } from '../../engine/errors.ts';
import { CANCEL_HEADER, checkToken } from '../../plans/protocol/cancel.ts';
import { type Answer, isFailure, type Result } from '../../plans/protocol/messages.ts';
import { checkDeadline, wrongNumber } from '../../plans/protocol/request.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { decodeAnswers, errorOf, failureOf } from './answers.ts';
import { type EnqueueOptions, enqueue } from './enqueue.ts';
import { Exchange, type ExchangeCounts, type ExchangeOptions } from './exchange.ts';
import { mergeBounded } from './merge-bounded.ts';
import type { InferOptions, InferRequest, Inputs } from './request-body.ts';
import { Patience } from './retry.ts';
import type { Source } from './supply.ts';

export interface ClientOptions {
  /** Name of the deployment to ask. */
  readonly deployment: string;
  /** First token of the deployment's subjects. Default `cascade`. */
  readonly prefix?: string;
  /**
   * For requests without their own. Default: the deployment's, within which it answers; if nobody answers, the client gives up after 30
   * seconds.
   */
  readonly deadlineMs?: number;
  /** First tokens of our inbox, if this user may subscribe to only one prefix. Default `_INBOX`. */
  readonly inboxPrefix?: string;
}

export interface CallOptions extends InferOptions {
  /** Cancels the request: if computing it has not begun, it is dropped. The promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface InferManyOptions {
  /** Requests in flight at once; Infinity: all of them. Default 256. */
  readonly concurrency?: number;
  /** Emit answers in the order of the requests rather than as they arrive. Default false. */
  readonly ordered?: boolean;
}

/** A client of a deployment. Safe to share: requests made at the same time share messages. */
export interface CascadeClient {
  /**
   * Classifies one sample.
   * @throws CascadeError with the code and message of the refusal: INVALID_ARGUMENT when the request is invalid (the message says what
   *   would be right), RESOURCE_EXHAUSTED when the deployment is overloaded (`retryAfterMs` says when to retry), DEADLINE_EXCEEDED,
   *   UNAVAILABLE when nobody could be reached before the deadline, INTERNAL.
   */
  infer(inputs: Inputs, options?: CallOptions): Promise<Result>;
  /**
   * Classifies many samples. Each request gets one answer: a result, or a failure `{ id, error: { code, message } }`, which does not end
   * the others. Iterables are read as answers arrive; excess items of an Observable wait in memory. Unsubscribing cancels requests in
   * flight: those that the deployment has not begun are not computed.
   */
  inferMany(requests: Source<InferRequest>, options?: InferManyOptions): Observable<Answer>;
  /**
   * Stores a request to be answered later, even if processes crash, if the deployment has the option `durable`. The answer goes to
   * `results$`, at least once. Resolves when NATS has acknowledged the request.
   * @throws CascadeError RESOURCE_EXHAUSTED when the store is full; UNAVAILABLE, with what to do, when there is none, or no timely
   *   connection; INVALID_ARGUMENT for invalid options. Invalid inputs are reported in the answer.
   */
  enqueue(inputs: Inputs, options?: EnqueueOptions): Promise<Stored>;
  /**
   * Cancels a stored request: if computing it has not begun, it leaves the store without an answer. The message is sent at most once, and
   * nobody confirms its arrival.
   * @param token that the request was stored with.
   */
  giveUpStored(token: string): void;
  /**
   * Answers to requests without a reply subject: everything sent to `.results`, or to `.results.<name>`. A message that is not an answer
   * becomes a failure INTERNAL with an empty id.
   */
  results$(name?: string): Observable<Answer>;
  /** Duplicate answers, which are dropped (delivery is at least once). */
  readonly duplicates: number;
  readonly counts: ExchangeCounts;
  /** Ends requests in flight with UNAVAILABLE, cancels them, and closes the connection. */
  close(): Promise<void>;
}

/**
 * Connects to a deployment.
 *
 * ```ts
 * import { connectCascade } from 'cascadeserve';
 *
 * const client = await connectCascade({ servers: 'nats://127.0.0.1:4222', deployment: 'fashion' });
 * const { label, certainty, model } = await client.infer({ image: new Uint8Array(784) }, { deadlineMs: 500 });
 * console.log(label, certainty, model);
 * await client.close();
 * ```
 *
 * @throws ConfigError when no NATS server answers or accepts our credentials, CascadeError INVALID_ARGUMENT for invalid options.
 */
export async function connectCascade(options: ClientOptions & NatsOptions): Promise<CascadeClient> {
  // Before there is a connection that would have to be closed.
  checkOptions(options);
  // The connection's name may be any text, and that of several clients, so it has no place in subjects and ids.
  return createClient(await connectNats(options), realClock, { ...options, name: undefined });
}

/** @throws CascadeError INVALID_ARGUMENT */
function checkOptions(options: ClientOptions & Partial<NatsOptions>): void {
  const { deployment, prefix = 'cascade', deadlineMs, connectTimeoutMs = 1, replicas = 1 } = options;
  for (const [option, name] of Object.entries({ deployment, prefix })) {
    if (typeof name !== 'string' || !SUBJECT_TOKEN.test(name))
      throw invalid(`${option}: ${JSON.stringify(name) ?? 'undefined'} ${NO_SUBJECT_TOKEN}`);
  }
  if (deadlineMs !== undefined) checkDeadline(deadlineMs);
  if (!(Number.isFinite(connectTimeoutMs) && connectTimeoutMs > 0 && connectTimeoutMs <= LONGEST_TIMER_MS))
    throw wrongNumber('connectTimeoutMs', connectTimeoutMs, `milliseconds above 0 and at most ${LONGEST_TIMER_MS}`);
  if (!(Number.isInteger(replicas) && replicas >= 1 && replicas <= 5))
    throw wrongNumber('replicas', replicas, 'a whole number from 1 to 5');
}

/** @throws CascadeError INVALID_ARGUMENT */
function checkConcurrency(concurrency: number): void {
  if (!(concurrency >= 1 && (Number.isInteger(concurrency) || concurrency === Number.POSITIVE_INFINITY)))
    throw wrongNumber('concurrency', concurrency, 'a whole number, 1 or more, or Infinity for no limit');
}

/** A client that knows of others asking the same deployment. */
export interface SharedClient extends CascadeClient {
  /** Their shared knowledge of how the deployment answers, on the client's clock. */
  readonly patience: Patience;
  /** @param options `silences`: how many times the request was already sent without an answer. */
  infer(inputs: Inputs, options?: CallOptions & { readonly silences?: number }): Promise<Result>;
  /**
   * The same without a promise: `done` is called once, never before this returns. Returns the cancellation, after which it is not called.
   * @throws CascadeError as of `infer`, for a request that cannot be sent as it is.
   */
  send(request: InferRequest, done: (answer: Answer) => void): () => void;
}

/** A client on an existing bus. `close` closes the bus. */
export function createClient(
  bus: Bus,
  clock: Clock,
  options: ClientOptions & Pick<ExchangeOptions, 'name' | 'newToken'>,
): SharedClient {
  checkOptions(options);
  const subjects = subjectsOf(options.deployment, options.prefix);
  const patience = new Patience();
  const exchange = new Exchange(bus, clock, subjects.infer, { ...options, patience });
  return {
    patience,
    send: (request, done) => exchange.send(request, done),
    infer: (inputs, { silences, signal, ...inferOptions } = {}) =>
      new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        const done = (answer: Answer): void => {
          signal?.removeEventListener('abort', giveUp);
          if (isFailure(answer)) reject(errorOf(answer));
          else resolve(answer);
        };
        const cancel = exchange.send({ ...inferOptions, inputs }, done, silences);
        const giveUp = (): void => {
          cancel();
          reject(signal?.reason);
        };
        signal?.addEventListener('abort', giveUp, { once: true });
      }),
    inferMany: (requests, { concurrency = 256, ordered = false } = {}) => {
      checkConcurrency(concurrency);
      return mergeBounded(requests, (request, done) => sendOrRefuse(exchange, request, done), { concurrency, ordered });
    },
    enqueue: async (inputs, enqueueOptions = {}) =>
      enqueue(bus, clock, subjects, enqueueOptions.id ?? randomUUID(), inputs, enqueueOptions),
    giveUpStored: (token) => {
      checkToken(token, 'token');
      bus.publish(subjects.infer, new Uint8Array(0), { headers: { [CANCEL_HEADER]: token } });
    },
    results$: (name) =>
      bus
        .messages$(name === undefined ? subjects.results : subjects.namedResults(name))
        .pipe(mergeMap((message) => answersOrFailure(message.data))),
    get duplicates() {
      return exchange.counts.duplicates;
    },
    get counts() {
      return exchange.counts;
    },
    close() {
      exchange.close();
      return bus.close();
    },
  };
}

/** An invalid request among many gets an answer, and does not end the others. */
function sendOrRefuse(exchange: Exchange, request: InferRequest, done: (answer: Answer) => void): () => void {
  try {
    return exchange.send(request, done);
  } catch (error) {
    const code = error instanceof CascadeError ? error.code : 'INTERNAL';
    done(failureOf(request.id ?? '', code, messageOf(error)));
    return () => undefined;
  }
}

/** Anyone may publish on the results subject, so a malformed message must not end the stream. */
function answersOrFailure(data: Uint8Array): readonly Answer[] {
  try {
    return decodeAnswers(data);
  } catch (error) {
    return [failureOf('', 'INTERNAL', messageOf(error))];
  }
}
