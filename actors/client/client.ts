import { randomUUID } from 'node:crypto';
import { mergeMap, type Observable } from 'rxjs';
import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import type { NatsOptions } from '../../engine/bus/nats-options.ts';
import type { Stored } from '../../engine/bus/work-queue.ts';
import { type Clock, realClock } from '../../engine/clock.ts';
import { CascadeError, messageOf } from '../../engine/errors.ts';
import { CANCEL_HEADER, checkToken } from '../../plans/protocol/cancel.ts';
import { type Answer, isFailure, type Result } from '../../plans/protocol/messages.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { decodeAnswers, errorOf, failureOf } from './answers.ts';
import { type EnqueueOptions, enqueue } from './enqueue.ts';
import { Exchange, type ExchangeCounts, type ExchangeOptions } from './exchange.ts';
import { mergeBounded } from './merge-bounded.ts';
import type { InferOptions, InferRequest, Inputs } from './request-body.ts';
import { Patience } from './retry.ts';
import type { Source } from './supply.ts';

export interface ClientOptions {
  /** Name of the deployment that answers. */
  readonly deployment: string;
  /** First tokens of the deployment's subjects. Default `cascade`. */
  readonly prefix?: string;
  /**
   * For requests that do not name their own. Default: that of the deployment, which answers within it; where nobody answers, the
   * client gives up after 30 seconds.
   */
  readonly deadlineMs?: number;
  /** First tokens of our inbox, where this user may subscribe to one prefix only. Default `_INBOX`. */
  readonly inboxPrefix?: string;
  /** Name of this client, the beginning of the ids that it makes up. Default: random. */
  readonly name?: string;
}

export interface CallOptions extends InferOptions {
  /** Gives the request up: what has not begun is not computed, and the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface InferManyOptions {
  /** Requests under way at once. Default 256. */
  readonly concurrency?: number;
  /** Answers in the order of the requests; otherwise as they come. Default false. */
  readonly ordered?: boolean;
}

/** Asks a deployment. Safe to share: requests made at the same time share messages. */
export interface CascadeClient {
  /**
   * Classifies one sample.
   * @throws CascadeError with the code and the message of the refusal: INVALID_ARGUMENT when the request is wrong (the message
   *   says what would be right), RESOURCE_EXHAUSTED when the deployment is overloaded (`retryAfterMs` says when to ask
   *   again), DEADLINE_EXCEEDED, UNAVAILABLE when nobody could be reached until the deadline, INTERNAL.
   */
  infer(inputs: Inputs, options?: CallOptions): Promise<Result>;
  /**
   * Classifies many samples. Each request gives one answer: a result, or a failure `{ id, error: { code, message } }`, which
   * does not end the others. An iterable is read as the answers come; an Observable's excess waits in memory. Unsubscribing
   * gives up what is under way: what the deployment has not begun is not computed.
   */
  inferMany(requests: Source<InferRequest>, options?: InferManyOptions): Observable<Answer>;
  /**
   * Has a request stored and answered later, whatever crashes meanwhile: where the deployment has the option `durable`. The
   * answer goes to `results$`, at least once. Resolves when NATS has acknowledged that it has the request.
   * @throws CascadeError RESOURCE_EXHAUSTED when the store is full; UNAVAILABLE, with what to do, when there is none, or no
   *   connection in time; INVALID_ARGUMENT for options that are wrong. Wrong inputs are told by the answer.
   */
  enqueue(inputs: Inputs, options?: EnqueueOptions): Promise<Stored>;
  /**
   * Gives up a stored request: one that has not begun is not computed, and leaves the store without an answer. At most once: a message
   * of which nobody tells whether it came.
   * @param token that the request was stored with.
   */
  giveUpStored(token: string): void;
  /**
   * Answers to requests that name no reply subject: all that are sent to `.results`, or to `.results.<name>`. A message that is
   * no answer comes as a failure INTERNAL with an empty id.
   */
  results$(name?: string): Observable<Answer>;
  /** Answers that came again (delivery is at least once; they are dropped). */
  readonly duplicates: number;
  readonly counts: ExchangeCounts;
  /** Ends what is under way as UNAVAILABLE, gives it up, and closes the connection. */
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
 * @throws ConfigError when no NATS server answers or lets us in.
 */
export async function connectCascade(options: ClientOptions & NatsOptions): Promise<CascadeClient> {
  return createClient(await connectNats(options), realClock, options);
}

/** A client beside which somebody else asks the same deployment. */
export interface SharedClient extends CascadeClient {
  /** What both know of how the deployment answers; on the client's clock. */
  readonly patience: Patience;
  /** @param options `silences`: how often the request was sent already, and nothing heard. */
  infer(inputs: Inputs, options?: CallOptions & { readonly silences?: number }): Promise<Result>;
  /**
   * The same without a promise: `done` is called once, never before this returns. Returns the cancellation, after which it is not called.
   * @throws CascadeError as of `infer`, for a request that cannot be sent as it is.
   */
  send(request: InferRequest, done: (answer: Answer) => void): () => void;
}

/** A client on a bus that is there already. `close` closes the bus. */
export function createClient(bus: Bus, clock: Clock, options: ClientOptions & Pick<ExchangeOptions, 'newToken'>): SharedClient {
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
      if (!(concurrency >= 1)) throw new CascadeError('INVALID_ARGUMENT', `concurrency: ${concurrency}; use 1 or more`);
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

/** One bad request among many is an answer, not the end of the others. */
function sendOrRefuse(exchange: Exchange, request: InferRequest, done: (answer: Answer) => void): () => void {
  try {
    return exchange.send(request, done);
  } catch (error) {
    const code = error instanceof CascadeError ? error.code : 'INTERNAL';
    done(failureOf(request.id ?? '', code, messageOf(error)));
    return () => undefined;
  }
}

/** Anyone may publish on the results subject: what cannot be read must not end the stream. */
function answersOrFailure(data: Uint8Array): readonly Answer[] {
  try {
    return decodeAnswers(data);
  } catch (error) {
    return [failureOf('', 'INTERNAL', messageOf(error))];
  }
}
