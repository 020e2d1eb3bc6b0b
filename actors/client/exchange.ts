import { randomBytes } from 'node:crypto';
import type { Subscription } from 'rxjs';
import type { Bus, BusMessage } from '../../engine/bus/bus.ts';
import { saysNobodyListens } from '../../engine/bus/publish-rules.ts';
import type { Clock } from '../../engine/clock.ts';
import { CascadeError, messageOf } from '../../engine/errors.ts';
import { createRandom, type Random } from '../../engine/random.ts';
import { TRACE_HEADER } from '../../engine/tracing/tracing.ts';
import { TOKEN_HEADER } from '../../plans/protocol/cancel.ts';
import { type Answer, type Failure, isFailure } from '../../plans/protocol/messages.ts';
import { checkDeadline, checkId } from '../../plans/protocol/request.ts';
import { decodeAnswers, failureOf } from './answers.ts';
import { CancellationSender } from './cancellation-sender.ts';
import {
  encodeRequest,
  encodeWithoutDeadline,
  FRAME_HEADER_BYTES,
  frameOf,
  type InferRequest,
  withDeadline,
} from './request-body.ts';
import { BACKOFF_MAX_MS, backoffMs, Patience, RetryBudget } from './retry.ts';

/** Requests sent in the same turn of the event loop share a message if their trace context allows it, up to these bounds. */
const FRAME_MAX_REQUESTS = 512;
const FRAME_MAX_BYTES = 256 * 1024;
/** Remembered ids of abandoned requests, to distinguish late answers from duplicates. */
const ABANDONED_MAX = 65_536;
/** How long a retry waits when the budget is used up; other requests add to the budget meanwhile. */
const BUDGET_AGAIN_MS = 500;
/** A request that leaves its deadline to the deployment is abandoned after this time: by then, nobody serves it. */
const GIVE_UP_MS = 30_000;

export interface ExchangeCounts {
  /** Answers to requests that already had one. */
  readonly duplicates: number;
  /** Answers to requests that had been abandoned. */
  readonly late: number;
  /** Attempts beyond the first. */
  readonly retries: number;
  /** Messages on our inbox that were not answers. */
  readonly malformed: number;
}

export interface ExchangeOptions {
  /** Subject token that no other client uses, for its inbox and generated ids. Default: random. */
  readonly name?: string | undefined;
  readonly inboxPrefix?: string;
  /** For requests without their own. */
  readonly deadlineMs?: number;
  /** Shared with other clients of the same deployment; its times are on the same clock. */
  readonly patience?: Patience;
  /** Generates the token of a message; simulations use a deterministic one. Default: one that nobody can guess. */
  readonly newToken?: () => string;
}

interface Pending {
  readonly id: string;
  readonly body: Uint8Array;
  /** Whether the request states its deadline to the deployment. */
  readonly namesDeadline: boolean;
  readonly traceparent: string | undefined;
  readonly deadlineMs: number;
  readonly deadlineAt: number;
  readonly done: (answer: Answer) => void;
  attempts: number;
  /** Attempts that were given up without an answer, which may still come. */
  silences: number;
  /** In the outbox, to be sent at the end of this event-loop turn. */
  queued: boolean;
  /** The message that it was last sent in; undefined while it waits to be sent. */
  frame: Frame | undefined;
  /** All messages that it was sent in: only answers on one of their subjects count. */
  readonly sentWith: Frame[];
  /** Why the last finished attempt failed, if it did. */
  failure: CascadeError | undefined;
  cancelTimer: () => void;
}

interface Frame {
  readonly token: string;
  readonly sentAt: number;
  readonly requests: readonly Pending[];
  /** Requests that have not ended yet. */
  waiting: number;
}

/** Requests that may share a message. */
interface Group {
  /** Header of the message, which applies to all requests in it. */
  readonly traceparent: string | undefined;
  requests: Pending[];
  bytes: number;
}

/**
 * Requests in flight and their answers. There is one inbox, an unguessable token per message, and an id per request, which counts only
 * with a token that the request was sent with, because others may publish to our inbox. Each request ends once: with its answer, or as a
 * failure at its deadline. Until then it is sent again, with the same id, when nobody listens, when the answer is UNAVAILABLE, after a
 * silence, and after a lost connection.
 */
export class Exchange {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #subject: string;
  readonly #name: string;
  readonly #inbox: string;
  readonly #random: Random;
  readonly #defaultDeadlineMs: number | undefined;
  readonly #newToken: () => string;
  readonly #pending = new Map<string, Pending>();
  readonly #frames = new Map<string, Frame>();
  readonly #abandoned = new Set<string>();
  readonly #cancellationSender: CancellationSender;
  readonly #budget = new RetryBudget();
  readonly #patience: Patience;
  readonly #subscriptions: Subscription[] = [];
  readonly #counts = { duplicates: 0, late: 0, retries: 0, malformed: 0 };
  #outbox: Pending[] = [];
  #sequence = 0;
  #closedBecause: string | undefined;

  constructor(bus: Bus, clock: Clock, subject: string, options: ExchangeOptions) {
    this.#bus = bus;
    this.#clock = clock;
    this.#subject = subject;
    this.#cancellationSender = new CancellationSender(bus, clock, subject);
    this.#patience = options.patience ?? new Patience();
    this.#name = options.name ?? randomBytes(9).toString('base64url');
    this.#random = createRandom(this.#name);
    this.#inbox = `${options.inboxPrefix ?? '_INBOX'}.${this.#name}`;
    this.#defaultDeadlineMs = options.deadlineMs;
    this.#newToken = options.newToken ?? randomToken;
    this.#subscriptions.push(
      bus.messages$(`${this.#inbox}.*`).subscribe({
        next: (message) => this.#onMessage(message),
        error: (error) => this.close(`the inbox ${this.#inbox}.* is refused: ${messageOf(error)}`),
        complete: () => this.close('the connection is closed'),
      }),
    );
    let wasDown = false;
    this.#subscriptions.push(
      bus.status$.subscribe((status) => {
        if (status === 'up' && wasDown) this.#resendAll();
        wasDown = status === 'down';
      }),
    );
  }

  get counts(): ExchangeCounts {
    return this.#counts;
  }

  /**
   * Sends a request. `done` is called once, never before this returns. Returns a function that cancels it, after which it is not called.
   * @param silences how many times another client has sent it without an answer: then this is one more attempt, and if that is refused,
   *   the request itself is not.
   * @throws CascadeError INVALID_ARGUMENT for a request that cannot be sent as it is, UNAVAILABLE after `close`.
   */
  send(request: InferRequest, done: (answer: Answer) => void, silences = 0): () => void {
    if (this.#closedBecause !== undefined) throw new CascadeError('UNAVAILABLE', `the client is closed: ${this.#closedBecause}`);
    const { id = `${this.#name}-${this.#sequence++}`, deadlineMs: named = this.#defaultDeadlineMs } = request;
    const deadlineMs = named ?? GIVE_UP_MS;
    checkId(id);
    checkDeadline(deadlineMs);
    if (this.#pending.has(id))
      throw new CascadeError('INVALID_ARGUMENT', `id: ${JSON.stringify(id)} is already in flight; give each request its own`);
    const pending: Pending = {
      id,
      body: (named === undefined ? encodeWithoutDeadline : encodeRequest)(id, request.inputs, request),
      namesDeadline: named !== undefined,
      traceparent: request.traceparent,
      deadlineMs,
      deadlineAt: this.#clock.now() + deadlineMs,
      done,
      attempts: silences,
      silences,
      queued: false,
      frame: undefined,
      sentWith: [],
      failure: undefined,
      cancelTimer: NOTHING,
    };
    this.#pending.set(id, pending);
    this.#budget.onRequest();
    this.#enqueue(pending);
    return () => {
      if (!this.#remove(pending)) return;
      this.#rememberAbandoned(id);
      this.#cancel(pending);
    };
  }

  /** Ends all requests in flight with UNAVAILABLE and the reason. */
  close(reason = 'close() was called'): void {
    if (this.#closedBecause !== undefined) return;
    this.#closedBecause = reason;
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    for (const pending of [...this.#pending.values()]) {
      this.#settle(pending, failureOf(pending.id, 'UNAVAILABLE', `the client was closed: ${reason}`));
      this.#cancel(pending);
    }
    this.#cancellationSender.flush();
  }

  #enqueue(pending: Pending): void {
    pending.frame = undefined;
    pending.cancelTimer();
    pending.cancelTimer = NOTHING;
    pending.queued = true;
    if (this.#outbox.push(pending) === 1) this.#clock.after(0, () => this.#flush());
  }

  #flush(): void {
    const outbox = this.#outbox;
    this.#outbox = [];
    const maxBytes = Math.min(FRAME_MAX_BYTES, this.#bus.maxPayloadBytes / 2);
    const plain = newGroup(undefined);
    let traced: Map<string, Group> | undefined;
    for (const pending of outbox) {
      pending.queued = false;
      // Cancelled meanwhile.
      if (this.#pending.get(pending.id) !== pending) continue;
      let group = plain;
      if (pending.traceparent !== undefined) {
        traced ??= new Map();
        group = groupOf(traced, pending.traceparent);
      }
      if (
        group.requests.length > 0 &&
        (group.bytes + pending.body.length > maxBytes || group.requests.length === FRAME_MAX_REQUESTS)
      ) {
        this.#publish(group.requests, group.traceparent);
        group.requests = [];
        group.bytes = FRAME_HEADER_BYTES;
      }
      group.requests.push(pending);
      group.bytes += pending.body.length;
    }
    if (plain.requests.length > 0) this.#publish(plain.requests);
    for (const { requests, traceparent } of traced?.values() ?? []) this.#publish(requests, traceparent);
  }

  #publish(requests: readonly Pending[], traceparent?: string): void {
    const now = this.#clock.now();
    const token = this.#newToken();
    const left = requests.map(({ namesDeadline, deadlineAt }) => (namesDeadline ? deadlineAt - now : undefined));
    const data =
      requests.length === 1
        ? bodyWith(requests[0].body, left[0])
        : frameOf(
            requests.map((pending) => pending.body),
            left,
          );
    let sent: boolean;
    try {
      sent = this.#bus.publish(this.#subject, data, {
        reply: `${this.#inbox}.${token}`,
        headers: traceparent === undefined ? { [TOKEN_HEADER]: token } : { [TOKEN_HEADER]: token, [TRACE_HEADER]: traceparent },
      });
    } catch (error) {
      const { code, message } = error instanceof CascadeError ? error : new CascadeError('INTERNAL', messageOf(error));
      for (const pending of requests) this.#settle(pending, failureOf(pending.id, code, message));
      return;
    }
    const frame: Frame = { token, sentAt: now, requests, waiting: requests.length };
    if (sent) this.#frames.set(token, frame);
    for (const pending of requests) {
      if (pending.attempts++ > 0) this.#counts.retries++;
      if (!sent) {
        this.#retryLater(pending, new CascadeError('UNAVAILABLE', 'there is no connection to NATS'));
        continue;
      }
      pending.frame = frame;
      pending.sentWith.push(frame);
      this.#awaitAnswer(pending, now);
    }
  }

  /**
   * Sends the request again after a silence, once everything that has arrived by then has been read. Until then, slow answers to other
   * requests may show that it is not a silence yet.
   */
  #awaitAnswer(pending: Pending, sentAt: number): void {
    const now = this.#clock.now();
    const silentAt = sentAt + this.#patience.silenceMs(pending.deadlineMs, pending.attempts, now);
    const againAt = Math.max(silentAt, this.#patience.refusedUntil);
    if (now < againAt) this.#wait(pending, againAt - now, () => this.#awaitAnswer(pending, sentAt));
    else {
      pending.failure = undefined;
      if (this.#budget.take()) {
        pending.silences++;
        this.#enqueue(pending);
      } else this.#wait(pending, BUDGET_AGAIN_MS, () => this.#awaitAnswer(pending, sentAt));
    }
  }

  #retryLater(pending: Pending, failure: CascadeError): void {
    pending.frame = undefined;
    pending.failure = failure;
    this.#wait(pending, backoffMs(pending.attempts, this.#random), () => this.#enqueue(pending));
  }

  /** Calls `next` after `delayMs`, unless the deadline comes first. */
  #wait(pending: Pending, delayMs: number, next: () => void): void {
    const leftMs = pending.deadlineAt - this.#clock.now();
    pending.cancelTimer();
    pending.cancelTimer =
      delayMs < leftMs ? this.#clock.after(delayMs, next) : this.#clock.after(leftMs, () => this.#giveUp(pending));
  }

  #giveUp(pending: Pending): void {
    const { id, frame, attempts, deadlineMs } = pending;
    // A retry sent a moment ago has had no chance to be answered, so the earlier refusal stands.
    const justSent = frame === undefined || this.#clock.now() - frame.sentAt < BACKOFF_MAX_MS;
    const failure = justSent ? pending.failure : undefined;
    const tried = `${attempts} ${attempts === 1 ? 'attempt' : 'attempts'} in ${deadlineMs} ms`;
    this.#rememberAbandoned(id);
    if (failure === undefined) this.#settle(pending, failureOf(id, 'DEADLINE_EXCEEDED', `no answer after ${tried}`));
    else this.#settle(pending, failureOf(id, failure.code, `${failure.message} (${tried})`));
    // The deployment knows the deadline if we stated it.
    if (!pending.namesDeadline) this.#cancel(pending);
  }

  #onMessage(message: BusMessage): void {
    const frame = this.#frames.get(message.subject.slice(this.#inbox.length + 1));
    if (saysNobodyListens(message)) {
      this.#forEachOpen(frame, (pending) =>
        this.#retryLater(
          pending,
          new CascadeError('UNAVAILABLE', `nobody listens on ${this.#subject}; is the deployment being served?`),
        ),
      );
      return;
    }
    // No more answers to this message will come; this end marker is for the NATS server, if the deployment is in another account.
    if (message.data.length === 0) return;
    let answers: readonly Answer[];
    try {
      answers = decodeAnswers(message.data);
    } catch (error) {
      this.#counts.malformed++;
      this.#forEachOpen(frame, (pending) => this.#settle(pending, failureOf(pending.id, 'INTERNAL', messageOf(error))));
      return;
    }
    for (const answer of answers) this.#onAnswer(answer, frame);
  }

  #onAnswer(answer: Answer, frame: Frame | undefined): void {
    const pending = this.#pending.get(answer.id);
    if (pending !== undefined && frame !== undefined && pending.sentWith.includes(frame)) {
      if (isFailure(answer) && answer.error.code === 'RESOURCE_EXHAUSTED') this.#onOverload(pending, answer);
      else if (!isFailure(answer) || answer.error.code !== 'UNAVAILABLE') {
        // A refusal takes no time, so it says nothing about how long an answer takes.
        if (!isFailure(answer)) this.#patience.onAnswer(this.#clock.now() - frame.sentAt, this.#clock.now());
        this.#settle(pending, answer);
        // A copy that was sent after a silence or a lost connection may still be queued somewhere.
        if (pending.silences > 0) this.#cancel(pending, frame);
      }
      // An earlier attempt may be refused while a later one is in flight.
      else if (pending.frame === frame) this.#retryLater(pending, new CascadeError('UNAVAILABLE', answer.error.message));
    } else if (this.#abandoned.delete(answer.id)) {
      this.#counts.late++;
    } else if (isFailure(answer) && answer.id === '' && frame !== undefined) {
      // The message as a whole was refused: the deployment could not decode it, so it could not know the ids. An unknown id says
      // nothing about our requests.
      this.#forEachOpen(frame, (refused) => this.#settle(refused, { ...answer, id: refused.id }));
    } else {
      this.#counts.duplicates++;
    }
  }

  #onOverload(pending: Pending, refusal: Failure): void {
    const { code, message, retryAfterMs } = refusal.error;
    this.#patience.onRefusal(retryAfterMs ?? 0, this.#clock.now());
    if (pending.silences === 0) {
      this.#settle(pending, refusal);
      return;
    }
    // Only the retry is refused: the request itself still waits its turn.
    pending.frame = undefined;
    pending.failure = new CascadeError(code, message);
    this.#wait(pending, Number.POSITIVE_INFINITY, NOTHING);
  }

  #forEachOpen(frame: Frame | undefined, act: (pending: Pending) => void): void {
    for (const pending of frame?.requests ?? []) if (pending.frame === frame) act(pending);
  }

  #resendAll(): void {
    // Requests in flight when the connection broke, or their answers, are probably lost, but some are still being computed.
    for (const pending of this.#pending.values()) {
      if (pending.queued) continue;
      if (pending.frame !== undefined) pending.silences++;
      this.#enqueue(pending);
    }
  }

  /** @param answered the attempt that needs no cancelling, because it was answered. */
  #cancel({ id, sentWith }: Pending, answered?: Frame): void {
    for (const { token, waiting } of sentWith)
      if (token !== answered?.token) this.#cancellationSender.add(token, waiting === 0 ? undefined : id);
  }

  #settle(pending: Pending, answer: Answer): void {
    if (this.#remove(pending)) pending.done(answer);
  }

  #remove(pending: Pending): boolean {
    if (this.#pending.get(pending.id) !== pending) return false;
    this.#pending.delete(pending.id);
    pending.cancelTimer();
    pending.frame = undefined;
    for (const frame of pending.sentWith) if (--frame.waiting === 0) this.#frames.delete(frame.token);
    return true;
  }

  #rememberAbandoned(id: string): void {
    this.#abandoned.add(id);
    if (this.#abandoned.size > ABANDONED_MAX) for (const oldest of this.#abandoned) return void this.#abandoned.delete(oldest);
  }
}

/** A trace that is not recorded, so that it does not matter which one a request belongs to. */
const UNSAMPLED = /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/;

function newGroup(traceparent: string | undefined): Group {
  return { traceparent, requests: [], bytes: FRAME_HEADER_BYTES };
}

function groupOf(traced: Map<string, Group>, traceparent: string): Group {
  const key = UNSAMPLED.test(traceparent) ? 'unsampled' : traceparent;
  let group = traced.get(key);
  if (group === undefined) {
    group = newGroup(traceparent);
    traced.set(key, group);
  }
  return group;
}

const TOKEN_BYTES = 12;
const RANDOM_BYTES = 4_096;
let random = Buffer.alloc(0);
let used = 0;

/** One call of the random number generator yields many tokens. */
function randomToken(): string {
  if (used + TOKEN_BYTES > random.length) {
    random = randomBytes(RANDOM_BYTES);
    used = 0;
  }
  used += TOKEN_BYTES;
  return random.toString('base64url', used - TOKEN_BYTES, used);
}

/** A body without a deadline is never written to, so attempts may share it. */
function bodyWith(body: Uint8Array, deadlineMs: number | undefined): Uint8Array {
  return deadlineMs === undefined ? body : withDeadline(body, deadlineMs);
}

const NOTHING = (): void => undefined;
