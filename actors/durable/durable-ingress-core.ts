import { type Effect, NO_EFFECTS, note, perform } from '../../engine/actor/effect.ts';
import type { BusMessage } from '../../engine/bus/bus.ts';
import type { QueuedMessage } from '../../engine/bus/work-queue.ts';
import { assertNever, CascadeError, type ErrorCode, messageOf } from '../../engine/errors.ts';
import type { Cancellation } from '../../plans/protocol/control-messages.ts';
import { encodeFailure, failureOf } from '../frontend/answers.ts';
import { CancelledTokens } from './cancelled-tokens.ts';
import { decide, type Outcome, retryDelayMs } from './durable-decision.ts';
import { answerHeaders, askHeaders, letterHeaders, outcomeOf, storeAgainHeaders } from './durable-headers.ts';
import { type DurableRequest, durableId, durableReplyTo, readDurableRequest, wantsJson } from './durable-request.ts';
import type { DurableConfig } from './durable-streams.ts';
import type { DurableOutcome, DurableTask } from './durable-tasks.ts';

export interface DurableIngressCoreOptions {
  readonly durable: Pick<DurableConfig, 'subjects' | 'settings'>;
  /** Maximum time for one attempt at a request. */
  readonly deadlineMs: number;
}

/** A frontend reports DEADLINE_EXCEEDED itself; this covers one that died. */
const SILENCE_GRACE_MS = 1_000;
/** How old a reading of the server's clock may be, for requests with deadlines. */
const READING_MS = 1_000;
/** Longer than it takes to notice that a stream was lost. */
const LOSS_KNOWN_MS = 10_000;

/** Between attempts to store a request again. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

/** An attempt at a stored request. */
interface Attempt {
  readonly message: QueuedMessage;
  replyTo: string;
  request: DurableRequest | undefined;
  /** By our clock. */
  deadlineAt: number;
  /** Its answer, or its dead letter, is too large for a message. */
  tooLarge: boolean;
  /** Set once it becomes a dead letter. */
  dead: { readonly code: ErrorCode; readonly reason: string } | undefined;
}

type Answer = { readonly data: Uint8Array; readonly headers: Readonly<Record<string, string>> };
type Effects = readonly Effect<DurableTask>[];

/** Tracks the stored requests that this process has taken, and decides what happens to each. */
export class DurableIngressCore {
  readonly #options: DurableIngressCoreOptions;
  readonly #taken = new Map<QueuedMessage, Attempt>();
  /** Attempts that frontends are working on, and those that can be cancelled, by token. */
  readonly #asking = new Set<Attempt>();
  readonly #byToken = new Map<string, Set<Attempt>>();
  /** Returned for a retry -> when it is certain that their stream still existed. */
  readonly #returned = new Map<QueuedMessage, number>();
  /** Those of the taken ones whose stream was lost. */
  readonly #orphans = new Set<QueuedMessage>();
  /** Of lost streams, which could not be stored again yet -> when to try again, and after which pause. */
  readonly #homeless = new Map<QueuedMessage, { at: number; pauseMs: number }>();
  readonly #cancelledTokens = new CancelledTokens();
  #ended = false;

  constructor(options: DurableIngressCoreOptions) {
    this.#options = options;
  }

  /** No more requests will come, and all that came are settled. */
  get isDrained(): boolean {
    return this.#ended && this.#taken.size === 0 && this.#homeless.size === 0;
  }

  onTaken(message: QueuedMessage, now: number): Effects {
    const { subjects } = this.#options.durable;
    const attempt: Attempt = {
      message,
      replyTo: subjects.results,
      request: undefined,
      deadlineAt: Number.POSITIVE_INFINITY,
      tooLarge: false,
      dead: undefined,
    };
    this.#taken.set(message, attempt);
    try {
      attempt.replyTo = durableReplyTo(message, subjects);
      attempt.request = readDurableRequest(message, subjects);
    } catch (error) {
      return this.#failed(attempt, error, now);
    }
    if (attempt.request.deadlineMs === Number.POSITIVE_INFINITY) return this.#ask(attempt, attempt.request, now);
    return [perform({ type: 'read-age', message, readingMs: READING_MS })];
  }

  /** No more requests will come. */
  onEnded(): Effects {
    this.#ended = true;
    return NO_EFFECTS;
  }

  onCancelled(cancellations: readonly Cancellation[], now: number): Effects {
    return cancellations
      .filter((cancellation) => this.#cancelledTokens.note(cancellation))
      .flatMap(({ token }) => [...(this.#byToken.get(token) ?? [])])
      .flatMap((attempt) => this.#decide(attempt, { type: 'cancelled' }, NO_ANSWER, now));
  }

  /** The stream that holds these requests was lost, with all requests that nobody had taken. Those we know of are stored again. */
  onStreamLost(): Effects {
    for (const message of this.#taken.keys()) this.#orphans.add(message);
    const again = [...this.#returned.keys()].map(storeAgain);
    this.#returned.clear();
    return again;
  }

  /** Once a second. */
  forget(now: number): Effects {
    for (const [message, until] of this.#returned) if (now >= until) this.#returned.delete(message);
    const again = [...this.#homeless].filter(([, { at }]) => now >= at);
    for (const [, next] of again) next.at = Number.POSITIVE_INFINITY;
    return again.map(([message]) => storeAgain(message));
  }

  onOutcome(outcome: DurableOutcome, now: number): Effects {
    switch (outcome.type) {
      case 'age':
        return this.#onAge(outcome, now);
      case 'answered':
        return this.#onAnswered(outcome.message, outcome.answer, now);
      case 'published':
        return this.#onPublished(outcome.message);
      case 'buried':
        return this.#onBuried(outcome.message, outcome.letter);
      case 'stored-again':
        this.#homeless.delete(outcome.message);
        this.#release(outcome.message);
        return NO_EFFECTS;
      case 'failed':
        return this.#onFailed(outcome.task, outcome.error, now);
      default:
        return assertNever(outcome);
    }
  }

  #onFailed(task: DurableTask, error: unknown, now: number): Effects {
    const { message } = task;
    const { stream, sequence, deliveries } = message;
    const attempt = this.#taken.get(message);
    switch (task.type) {
      case 'read-age':
        return attempt === undefined ? NO_EFFECTS : this.#failed(attempt, error, now);
      case 'ask':
        return attempt !== undefined && this.#asking.has(attempt) ? this.#failed(attempt, error, now) : NO_EFFECTS;
      case 'publish':
      case 'bury': {
        // The answer or the dead letter could not be stored, so the request is not done.
        const fields = { stream, sequence, deliveries, reason: messageOf(error) };
        if (attempt !== undefined && !attempt.tooLarge && failureOf(error).code === 'INVALID_ARGUMENT')
          return this.#answerTooLarge(attempt, messageOf(error));
        return [
          note('warn', 'a stored request stays in the store', fields),
          ...this.#retryLater(message, retryDelayMs(deliveries), now),
        ];
      }
      case 'store-again': {
        if (failureOf(error).code !== 'INVALID_ARGUMENT') {
          // The server keeps one copy of a message id, even if an attempt succeeded although it failed for us.
          const pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * (this.#homeless.get(message)?.pauseMs ?? FIRST_PAUSE_MS / 2));
          this.#homeless.set(message, { at: now + pauseMs, pauseMs });
          return NO_EFFECTS;
        }
        this.#homeless.delete(message);
        this.#release(message);
        const fields = { stream, sequence, id: durableId(message), reason: messageOf(error) };
        return [note('error', 'a request is lost with the stream that held it', fields)];
      }
      case 'settle':
      case 'retry':
        return [
          note('warn', 'could not settle a stored request; it will be delivered again', {
            stream,
            sequence,
            deliveries,
            reason: messageOf(error),
          }),
        ];
      default:
        return assertNever(task);
    }
  }

  #onAge({ message, ageMs, readingMs }: Extract<DurableOutcome, { type: 'age' }>, now: number): Effects {
    const attempt = this.#taken.get(message);
    if (attempt?.request === undefined) return NO_EFFECTS;
    const { deadlineMs } = attempt.request;
    // The server's clock may have been set since, so read it afresh before declaring the request late.
    if (ageMs >= deadlineMs && readingMs > 0) return [perform({ type: 'read-age', message, readingMs: 0 })];
    attempt.deadlineAt = now - ageMs + deadlineMs;
    return this.#ask(attempt, attempt.request, now);
  }

  #ask(attempt: Attempt, { id, token }: DurableRequest, now: number): Effects {
    const { message } = attempt;
    const { durable, deadlineMs } = this.#options;
    const leftMs = attempt.deadlineAt - now;
    if (token !== undefined && this.#cancelledTokens.has(token))
      return this.#decide(attempt, { type: 'cancelled' }, NO_ANSWER, now);
    // Each process that took it before died, and the request may be the cause.
    if (message.deliveries > durable.settings.maxDeliver) {
      const reason = `delivered ${message.deliveries} times without an answer`;
      return this.#failed(attempt, new CascadeError('UNAVAILABLE', reason), now);
    }
    if (leftMs <= 0) {
      const error = new CascadeError('DEADLINE_EXCEEDED', 'the deadline passed while the request was stored');
      return this.#failed(attempt, error, now);
    }
    this.#asking.add(attempt);
    if (token !== undefined) this.#byToken.set(token, (this.#byToken.get(token) ?? new Set()).add(attempt));
    const tryMs = Math.min(deadlineMs, leftMs);
    const headers = askHeaders(message, id, tryMs);
    return [perform({ type: 'ask', message, headers, timeoutMs: tryMs + SILENCE_GRACE_MS })];
  }

  #onAnswered(message: QueuedMessage, answer: BusMessage, now: number): Effects {
    const attempt = this.#taken.get(message);
    // The attempt may already have ended in another way.
    if (attempt === undefined || !this.#asking.has(attempt)) return NO_EFFECTS;
    return this.#decide(attempt, outcomeOf(answer), { data: answer.data, headers: answerHeaders(answer) }, now);
  }

  #failed(attempt: Attempt, error: unknown, now: number): Effects {
    const { message } = attempt;
    const { code, message: text, retryAfterMs } = failureOf(error);
    const answer = encodeFailure(durableId(message), code, text, wantsJson(message));
    return this.#decide(attempt, { type: 'failure', code, message: text, retryAfterMs }, answer, now);
  }

  /** The attempt is over. */
  #decide(attempt: Attempt, outcome: Outcome, answer: Answer, now: number): Effects {
    const { message, deadlineAt } = attempt;
    this.#stopAsking(attempt);
    const decision = decide(outcome, message.deliveries, this.#options.durable.settings.maxDeliver, now >= deadlineAt);
    switch (decision.type) {
      case 'answer':
        return [publish(attempt, answer)];
      case 'forget':
        this.#release(message);
        return [perform({ type: 'settle', message, how: 'done' })];
      case 'retry':
        return this.#retryLater(message, decision.delayMs, now);
      case 'bury': {
        const { code, reason } = decision;
        attempt.dead = { code, reason };
        return [perform({ type: 'bury', message, headers: letterHeaders(message, code, reason) })];
      }
      default:
        return assertNever(decision);
    }
  }

  #onPublished(message: QueuedMessage): Effects {
    const attempt = this.#taken.get(message);
    this.#release(message);
    return [perform({ type: 'settle', message, how: attempt?.dead === undefined ? 'done' : 'abandon' })];
  }

  /** Answers with the failure. */
  #onBuried(message: QueuedMessage, letter: { readonly stream: string; readonly sequence: number }): Effects {
    const attempt = this.#taken.get(message);
    if (attempt?.dead === undefined) return NO_EFFECTS;
    const { code, reason } = attempt.dead;
    const { sequence, deliveries } = message;
    const tries = deliveries === 1 ? '1 try' : `${deliveries} tries`;
    const text = `${reason} (given up after ${tries}; kept as message ${letter.sequence} of stream ${letter.stream})`;
    return [
      note('warn', 'moved a stored request to the dead letters', { request: sequence, deliveries, code, reason, letter }),
      publish(attempt, encodeFailure(durableId(message), code, text, wantsJson(message))),
    ];
  }

  /** What should have been stored for the client does not fit: it gets a failure that says so. */
  #answerTooLarge(attempt: Attempt, problem: string): Effects {
    const { message, dead } = attempt;
    attempt.tooLarge = true;
    const { code, reason } = dead ?? { code: 'INTERNAL' as const, reason: 'the answer cannot be kept' };
    const { sequence, deliveries } = message;
    return [
      note('warn', 'a stored request ends, although its answer or dead letter cannot be kept', { sequence, deliveries, problem }),
      publish(attempt, encodeFailure(durableId(message), code, `${reason} (not kept: ${problem})`, wantsJson(message))),
    ];
  }

  #retryLater(message: QueuedMessage, delayMs: number, now: number): Effects {
    // Whoever takes it from the new stream retries it.
    if (this.#orphans.has(message)) return [storeAgain(message)];
    this.#returned.set(message, now + delayMs + LOSS_KNOWN_MS);
    this.#release(message);
    return [perform({ type: 'retry', message, delayMs })];
  }

  #release(message: QueuedMessage): void {
    this.#taken.delete(message);
    this.#orphans.delete(message);
  }

  #stopAsking(attempt: Attempt): void {
    this.#asking.delete(attempt);
    const token = attempt.request?.token;
    const same = token === undefined ? undefined : this.#byToken.get(token);
    if (same?.delete(attempt) && same.size === 0) this.#byToken.delete(token!);
  }
}

/** For a cancelled request. */
const NO_ANSWER: Answer = { data: new Uint8Array(0), headers: {} };

function publish({ message, replyTo }: Attempt, { data, headers }: Answer): Effect<DurableTask> {
  return perform({ type: 'publish', message, subject: replyTo, data, headers });
}

function storeAgain(message: QueuedMessage): Effect<DurableTask> {
  return perform({ type: 'store-again', message, headers: storeAgainHeaders(message) });
}
