import {
  concat,
  defer,
  filter,
  firstValueFrom,
  from,
  ignoreElements,
  map,
  merge,
  mergeMap,
  type Observable,
  switchMap,
  take,
  takeUntil,
  tap,
  using,
} from 'rxjs';
import type { Actor, ActorContext } from '../../engine/actor/actor.ts';
import { Channels } from '../../engine/actor/channel.ts';
import type { BusMessage } from '../../engine/bus/bus.ts';
import { reconnected$ } from '../../engine/bus/reconnected.ts';
import type { QueuedMessage, WorkQueues } from '../../engine/bus/work-queue.ts';
import { assertNever, CascadeError, ERROR_NUMBERS, type ErrorCode, messageOf } from '../../engine/errors.ts';
import { TOKEN_HEADER } from '../../plans/protocol/cancel.ts';
import { CANCEL } from '../../plans/protocol/channels.ts';
import {
  ERROR_CODE_HEADER,
  ERROR_HEADER,
  encodeFailure,
  failureOf,
  RETRY_AFTER_HEADER,
  RETRY_HEADER,
} from '../frontend/answers.ts';
import { decide, type Outcome, retryDelayMs } from './durable-decision.ts';
import { type DurableRequest, durableId, durableReplyTo, readDurableRequest, wantsJson } from './durable-request.ts';
import { type DurableConfig, declareStreams, ingressConsumer } from './durable-streams.ts';
import { GivenUp } from './given-up.ts';

export interface DurableIngressOptions {
  /** Name of the frontend beside it. */
  readonly name: string;
  readonly durable: DurableConfig;
  /** Longest time for one try at a request. */
  readonly deadlineMs: number;
  /** Emits when the frontend beside it takes requests: before, tries would be wasted. */
  readonly serving$: Observable<unknown>;
}

/** A frontend says DEADLINE_EXCEEDED itself; this is for the one that died. */
const SILENCE_GRACE_MS = 1_000;
const APPEND_TIMEOUT_MS = 5_000;
/** The server's clock is looked at so often, where requests have deadlines. */
const READING_MS = 1_000;
/** Longer than it takes to notice that a stream is gone. */
const LOSS_KNOWN_MS = 10_000;

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
  return {
    name: `durable-ingress-${options.name}`,
    description: 'takes requests from the JetStream work queue and acknowledges them when they are answered',
    behaviour: (context) => new DurableIngress(options, context).run(),
  };
}

/** Instead of an answer. */
const CANCELLED = Symbol('given up by its client');
const NO_ANSWER = { data: new Uint8Array(0), headers: {} };

interface Attempt {
  readonly outcome: Outcome;
  readonly replyTo: string;
  readonly expired: boolean;
  /** The frontend's answer, as it came. */
  readonly answer: { readonly data: Uint8Array; readonly headers: Readonly<Record<string, string>> };
}

class DurableIngress {
  readonly #options: DurableIngressOptions;
  readonly #context: ActorContext;
  readonly #queues: WorkQueues;
  /** In our hands; and those that were given back for another try, until their stream is known to have been there then. */
  readonly #taken = new Set<QueuedMessage>();
  readonly #givenBack = new Set<QueuedMessage>();
  /** Of what is in our hands, what is in no stream any more. */
  readonly #orphans = new Set<QueuedMessage>();
  readonly #givenUp = new GivenUp();

  constructor(options: DurableIngressOptions, context: ActorContext) {
    this.#options = options;
    this.#context = context;
    this.#queues = context.bus.workQueues();
  }

  run(): Observable<unknown> {
    const { durable, serving$ } = this.#options;
    const { bus, drops, stopping$ } = this.#context;
    const limit = durable.settings.inFlight;
    const lost$ = bus.losses$.pipe(filter(({ kind, name }) => kind === 'stream' && name === durable.streams.requests));
    const served$ = serving$.pipe(
      take(1),
      takeUntil(stopping$),
      switchMap(() =>
        concat(
          defer(() => from(declareStreams(this.#queues, durable))).pipe(ignoreElements()),
          this.#queues.take$(ingressConsumer(durable), { limit, until: stopping$ }),
        ),
      ),
      mergeMap((message) => this.#serve(message), limit),
      ignoreElements(),
    );
    const cancelled$ = new Channels(durable.subjects.root, { bus, drops }).receive$(CANCEL).pipe(
      tap((cancellations) => {
        for (const cancellation of cancellations) this.#givenUp.note(cancellation);
      }),
    );
    return using(
      () => merge(lost$.pipe(tap(() => this.#onStreamLost())), cancelled$).subscribe(),
      () => served$,
    );
  }

  async #serve(message: QueuedMessage): Promise<void> {
    this.#taken.add(message);
    try {
      const attempt = await this.#attempt(message);
      const decision = decide(attempt.outcome, message.deliveries, this.#options.durable.settings.maxDeliver, attempt.expired);
      switch (decision.type) {
        case 'answer':
          await this.#publish(message, attempt.replyTo, attempt.answer.data, attempt.answer.headers);
          message.done();
          return;
        case 'forget':
          message.done();
          return;
        case 'retry':
          await this.#giveBack(message, decision.delayMs);
          return;
        case 'bury':
          await this.#bury(message, attempt.replyTo, decision.code, decision.reason);
          message.abandon();
          return;
        default:
          assertNever(decision);
      }
    } catch (error) {
      // The answer could not be published, or the letter not be kept: the request is not done.
      const { stream, sequence, deliveries } = message;
      this.#context.log.warn({ stream, sequence, deliveries, reason: messageOf(error) }, 'a stored request stays in the store');
      await this.#giveBack(message, retryDelayMs(deliveries));
    } finally {
      this.#taken.delete(message);
      this.#orphans.delete(message);
    }
  }

  /** The stream that acknowledged these requests is gone, and with it those that nobody had taken. */
  #onStreamLost(): void {
    for (const message of this.#taken) this.#orphans.add(message);
    for (const message of this.#givenBack) void this.#storeAgain(message);
    this.#givenBack.clear();
  }

  async #giveBack(message: QueuedMessage, delayMs: number): Promise<void> {
    if (this.#orphans.has(message)) {
      await this.#storeAgain(message);
      return;
    }
    message.retry(delayMs);
    this.#givenBack.add(message);
    this.#context.clock.after(delayMs + LOSS_KNOWN_MS, () => this.#givenBack.delete(message));
  }

  /** The next try is for whoever takes it from the new stream. */
  async #storeAgain(message: QueuedMessage): Promise<void> {
    const { subjects } = this.#options.durable;
    const headers = { ...headersOf(message, [...REQUEST_HEADERS, TOKEN_HEADER]), 'Cascade-Id': durableId(message) };
    const { stream, sequence, storedAt } = message;
    try {
      const id = `${stream}-${sequence}-${storedAt}`;
      await this.#queues.append(subjects.durable, message.data, { id, headers, timeoutMs: APPEND_TIMEOUT_MS });
    } catch (error) {
      const reason = messageOf(error);
      this.#context.log.error(
        { stream, sequence, id: durableId(message), reason },
        'a request is lost with the stream that held it',
      );
    }
  }

  async #attempt(message: QueuedMessage): Promise<Attempt> {
    const { clock } = this.#context;
    const { subjects } = this.#options.durable;
    let replyTo = subjects.results;
    let deadlineAt = Number.POSITIVE_INFINITY;
    try {
      replyTo = durableReplyTo(message, subjects);
      const request = readDurableRequest(message, subjects);
      deadlineAt = await this.#deadlineAt(message, request.deadlineMs);
      const answer = await this.#ask(message, request, deadlineAt - clock.now());
      if (answer === CANCELLED) return { outcome: { type: 'cancelled' }, replyTo, expired: false, answer: NO_ANSWER };
      const expired = clock.now() >= deadlineAt;
      return {
        outcome: outcomeOf(answer),
        replyTo,
        expired,
        answer: { data: answer.data, headers: headersOf(answer, ANSWER_HEADERS) },
      };
    } catch (error) {
      const { code, message: text, retryAfterMs } = failureOf(error);
      return {
        outcome: { type: 'failure', code, message: text, retryAfterMs },
        replyTo,
        expired: clock.now() >= deadlineAt,
        answer: encodeFailure(durableId(message), code, text, wantsJson(message)),
      };
    }
  }

  /** On our clock. @throws CascadeError when the server does not tell how long ago the request was stored. */
  async #deadlineAt(message: QueuedMessage, deadlineMs: number): Promise<number> {
    if (deadlineMs === Number.POSITIVE_INFINITY) return deadlineMs;
    let ageMs = await message.ageMs(READING_MS);
    // The server's clock may have been set since: nobody is told that it is too late by an old reading.
    if (ageMs >= deadlineMs) ageMs = await message.ageMs(0);
    return this.#context.clock.now() - ageMs + deadlineMs;
  }

  /** @throws CascadeError when there is no answer. */
  async #ask(message: QueuedMessage, { id, token }: DurableRequest, leftMs: number): Promise<BusMessage | typeof CANCELLED> {
    const { bus } = this.#context;
    const { durable, deadlineMs } = this.#options;
    if (token !== undefined && this.#givenUp.has(token)) return CANCELLED;
    // Taken before, and each time its taker died: it may be the cause.
    if (message.deliveries > durable.settings.maxDeliver)
      throw new CascadeError('UNAVAILABLE', `delivered ${message.deliveries} times; those who had it gave no answer`);
    if (leftMs <= 0) throw new CascadeError('DEADLINE_EXCEEDED', 'the deadline passed while the request was stored');
    const tryMs = Math.min(deadlineMs, leftMs);
    const headers = {
      ...headersOf(message, ['Content-Type', 'Accept', TOKEN_HEADER]),
      'Cascade-Id': id,
      'Cascade-Deadline-Ms': String(Math.max(1, Math.ceil(tryMs))),
    };
    const answer = bus.request(durable.subjects.infer, message.data, { timeoutMs: tryMs + SILENCE_GRACE_MS, headers });
    // The answer may have come while there was nobody to receive it.
    const broken$ = reconnected$(bus).pipe(
      map((): never => {
        throw new CascadeError('UNAVAILABLE', 'the connection to NATS was lost while the request was under way');
      }),
    );
    const cancelled$ = this.#givenUp.tokens$.pipe(
      filter((given) => given === token),
      map((): typeof CANCELLED => CANCELLED),
    );
    return firstValueFrom(merge(from(answer), broken$, cancelled$));
  }

  /** Resolves when the server has the answer. */
  async #publish(
    { stream, sequence, storedAt }: QueuedMessage,
    subject: string,
    data: Uint8Array,
    headers: Readonly<Record<string, string>>,
  ): Promise<void> {
    const { bus } = this.#context;
    const { subjects, settings } = this.#options.durable;
    const results = subject === subjects.results || subject.startsWith(`${subjects.results}.`);
    if (results && settings.keepAnswersMs > 0) {
      // A sequence alone may come again in a store that was made anew.
      const id = `${stream}-${sequence}-${storedAt}`;
      await this.#queues.append(subject, data, { id, headers, timeoutMs: APPEND_TIMEOUT_MS });
      return;
    }
    if (!bus.publish(subject, data, { headers })) throw new CascadeError('UNAVAILABLE', 'no connection to NATS for the answer');
    await bus.flush();
  }

  /** Puts the request among the dead letters and tells who waits for its answer. */
  async #bury(message: QueuedMessage, replyTo: string, code: ErrorCode, reason: string): Promise<void> {
    const { stream, sequence, storedAt, deliveries, data } = message;
    const headers = {
      ...headersOf(message, REQUEST_HEADERS),
      'Cascade-Dead-Code': code,
      'Cascade-Dead-Reason': reason.replace(/[\r\n]+/g, ' '),
      'Cascade-Dead-Deliveries': String(deliveries),
      'Cascade-Dead-Sequence': String(sequence),
      'Cascade-Dead-Stored-At': new Date(storedAt).toISOString(),
    };
    const id = `${stream}-${sequence}-${storedAt}`;
    const { subjects } = this.#options.durable;
    const letter = await this.#queues.append(subjects.dead, data, { id, headers, timeoutMs: APPEND_TIMEOUT_MS });
    const place = { stream: letter.stream, sequence: letter.sequence };
    this.#context.log.warn(
      { request: sequence, deliveries, code, reason, letter: place },
      'a stored request is a dead letter now',
    );
    const tries = deliveries === 1 ? '1 try' : `${deliveries} tries`;
    const words = `${reason} (given up after ${tries}; kept as message ${place.sequence} of stream ${place.stream})`;
    const failure = encodeFailure(durableId(message), code, words, wantsJson(message));
    await this.#publish(message, replyTo, failure.data, failure.headers);
  }
}

const REQUEST_HEADERS = ['Content-Type', 'Accept', 'Cascade-Id', 'Cascade-Results', 'Cascade-Reply', 'Cascade-Deadline-Ms'];
const ANSWER_HEADERS = ['Content-Type', ERROR_CODE_HEADER, ERROR_HEADER, RETRY_AFTER_HEADER, RETRY_HEADER];

function headersOf(message: { header(name: string): string | undefined }, names: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of names) {
    const value = message.header(name);
    if (value !== undefined) headers[name] = value;
  }
  return headers;
}

function outcomeOf(answer: BusMessage): Outcome {
  const number = answer.header(ERROR_CODE_HEADER);
  if (number === undefined) return { type: 'result' };
  const code = (Object.keys(ERROR_NUMBERS) as ErrorCode[]).find((known) => String(ERROR_NUMBERS[known]) === number) ?? 'INTERNAL';
  const text = answer.header(ERROR_HEADER) ?? number;
  const retryAfter = answer.header(RETRY_AFTER_HEADER);
  return {
    type: 'failure',
    code,
    message: text.startsWith(`${code}: `) ? text.slice(code.length + 2) : text,
    retryAfterMs: retryAfter === undefined ? undefined : Number(retryAfter),
    final: answer.header(RETRY_HEADER) === 'never',
  };
}
