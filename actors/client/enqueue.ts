import { createHash } from 'node:crypto';
import { concat, filter, firstValueFrom, merge, Observable, of } from 'rxjs';
import type { Bus } from '../../engine/bus/bus.ts';
import type { Stored } from '../../engine/bus/work-queue.ts';
import type { Clock } from '../../engine/clock.ts';
import { CascadeError } from '../../engine/errors.ts';
import { checkToken, TOKEN_HEADER } from '../../plans/protocol/cancel.ts';
import { checkDeadline, checkId, wrongNumber } from '../../plans/protocol/request.ts';
import { answerSubject, type Subjects } from '../../plans/protocol/subjects.ts';
import { encodeWithoutDeadline, type Inputs } from './request-body.ts';

export interface EnqueueOptions {
  /**
   * Identifies the request in its answer, and makes it unique: within two minutes, the same request with the same id is not stored again.
   * 1 to 128 characters. Default: generated.
   */
  readonly id?: string;
  /** The answer goes to `.results.<name>`: see `results$`. Default: `.results`. */
  readonly results?: string;
  /**
   * Counted from now; after it, the answer is DEADLINE_EXCEEDED, and we no longer try to store the request. By default, the deployment
   * decides how often to try.
   */
  readonly deadlineMs?: number;
  /**
   * A secret with which the request can be cancelled: see `giveUpStored`. A different one for each request, of 16 to 64 letters, digits, _
   * or -, such as a random UUID. Default: none.
   */
  readonly token?: string;
  /** Include the class scores in the result. */
  readonly scores?: boolean;
  /** Include these outputs of the model in the result, in full. */
  readonly outputs?: readonly string[];
  /** How long to try until NATS acknowledges; Infinity: until it does. Default 30,000. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 30_000;
/** An acknowledgement takes a millisecond or two; without one by then, the request is sent again, but stored only once. */
const SILENCE_MS = 2_000;
const PAUSE_MS = 100;

/**
 * Stores a request; resolves when NATS has acknowledged it. It is sent again, with the same id, while there is no connection and when the
 * acknowledgement is missing.
 * @throws CascadeError RESOURCE_EXHAUSTED when the store is full, UNAVAILABLE when there is none or no timely connection,
 *   DEADLINE_EXCEEDED when the request's own deadline passes before, INVALID_ARGUMENT.
 */
export async function enqueue(
  bus: Bus,
  clock: Clock,
  subjects: Subjects,
  id: string,
  inputs: Inputs,
  { results, deadlineMs, token, scores, outputs, timeoutMs = TIMEOUT_MS }: EnqueueOptions,
): Promise<Stored> {
  checkId(id);
  if (deadlineMs !== undefined) checkDeadline(deadlineMs);
  checkTimeout(timeoutMs);
  if (token !== undefined) checkToken(token, TOKEN_HEADER);
  answerSubject(subjects, '', results);
  const data = encodeWithoutDeadline(id, inputs, { scores, outputs });
  const stated = {
    'Cascade-Id': id,
    ...(results === undefined ? {} : { 'Cascade-Results': results }),
    ...(deadlineMs === undefined ? {} : { 'Cascade-Deadline-Ms': String(deadlineMs) }),
    ...(token === undefined ? {} : { [TOKEN_HEADER]: token }),
  };
  // The same at each attempt, whatever is left of the deadline.
  const messageId = messageIdOf(data, stated);
  const calledAt = clock.now();
  const giveUpAt = calledAt + timeoutMs;
  const deadlineAt = calledAt + (deadlineMs ?? Number.POSITIVE_INFINITY);
  const leftMs = (): number => Math.min(giveUpAt, deadlineAt) - clock.now();
  for (;;) {
    try {
      const now = clock.now();
      const attemptMs = Math.max(1, Math.min(SILENCE_MS, leftMs()));
      // The deployment counts from when the request is stored.
      const headers = deadlineMs === undefined ? stated : { ...stated, 'Cascade-Deadline-Ms': wholeMs(deadlineAt - now) };
      return await bus.workQueues().append(subjects.durable, data, { id: messageId, headers, timeoutMs: attemptMs });
    } catch (error) {
      if (!(error instanceof CascadeError)) throw error;
      const status = await firstValueFrom(bus.status$, { defaultValue: 'closed' });
      // JetStream has its own connection, which may be lost on its own.
      const mayPass = error.code === 'DEADLINE_EXCEEDED' || error.code === 'UNAVAILABLE';
      if (!mayPass || status === 'closed') throw explained(error);
      await (status === 'up' ? after(clock, Math.min(PAUSE_MS, leftMs())) : connectionOrAfter(bus, clock, leftMs()));
      if (leftMs() > 0) continue;
      if (deadlineAt > giveUpAt) throw explained(error);
      const passed = `the deadline of ${deadlineMs} ms passed before NATS acknowledged the request`;
      const maybe = error.code === 'DEADLINE_EXCEEDED' ? '; it may or may not be stored' : '';
      throw new CascadeError('DEADLINE_EXCEEDED', `${passed}: ${error.message}${maybe}`);
    }
  }
}

function wholeMs(ms: number): string {
  return String(Math.max(1, Math.ceil(ms)));
}

function checkTimeout(timeoutMs: unknown): void {
  if (typeof timeoutMs !== 'number' || !(timeoutMs > 0))
    throw wrongNumber('timeoutMs', timeoutMs, 'milliseconds above 0, or Infinity to try until the request is stored');
}

/**
 * The id by which NATS recognises duplicates. It covers the whole content: with only the id, anyone who guesses it could store something
 * else first, and the request would count as a duplicate.
 */
function messageIdOf(data: Uint8Array, headers: Readonly<Record<string, string>>): string {
  return createHash('sha256').update(JSON.stringify(headers)).update(data).digest('base64url');
}

function explained(error: CascadeError): CascadeError {
  switch (error.code) {
    case 'DEADLINE_EXCEEDED':
      return new CascadeError(
        'UNAVAILABLE',
        `${error.message}; the request may or may not be stored; it is safe to try again with its id`,
      );
    case 'NOT_FOUND':
      return new CascadeError(
        'UNAVAILABLE',
        `${error.message}; start nats-server with -js, add \`durable: {}\` to the deployment, and serve it`,
      );
    default:
      return error;
  }
}

function after(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.after(delayMs, resolve));
}

/** Resolves when there is a connection again, or never will be, or after the time. */
async function connectionOrAfter(bus: Bus, clock: Clock, delayMs: number): Promise<void> {
  const time$ = new Observable<string>((subscriber) => clock.after(delayMs, () => subscriber.next('time')));
  const up$ = bus.status$.pipe(filter((status) => status === 'up'));
  await firstValueFrom(merge(time$, concat(up$, of('closed'))));
}
