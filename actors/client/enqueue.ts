import { createHash } from 'node:crypto';
import { concat, filter, firstValueFrom, merge, Observable, of } from 'rxjs';
import type { Bus } from '../../engine/bus/bus.ts';
import type { Stored } from '../../engine/bus/work-queue.ts';
import type { Clock } from '../../engine/clock.ts';
import { CascadeError } from '../../engine/errors.ts';
import { checkToken, TOKEN_HEADER } from '../../plans/protocol/cancel.ts';
import { checkDeadline, checkId } from '../../plans/protocol/request.ts';
import { answerSubject, type Subjects } from '../../plans/protocol/subjects.ts';
import { encodeWithoutDeadline, type Inputs } from './request-body.ts';

export interface EnqueueOptions {
  /**
   * Names the request in its answer, and makes it one: within two minutes, the same request with the same id is not stored again.
   * Of 1 to 128 characters. Default: made up.
   */
  readonly id?: string;
  /** The answer goes to `.results.<name>`: see `results$`. Default: `.results`. */
  readonly results?: string;
  /** From now: after it the answer is DEADLINE_EXCEEDED. By default the request is tried as often as the deployment says. */
  readonly deadlineMs?: number;
  /**
   * A secret by which the request can be given up: see `giveUpStored`. Another one for each request, of 16 to 64 letters, digits, _ or -,
   * such as a random UUID. Default: none.
   */
  readonly token?: string;
  /** Have the class scores in the result. */
  readonly scores?: boolean;
  /** Have these outputs of the model in the result, whole. */
  readonly outputs?: readonly string[];
  /** How long to try until NATS has acknowledged. Default 30,000. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 30_000;
/** An acknowledgement takes a millisecond or two; after this silence the request is sent again, which stores it once. */
const SILENCE_MS = 2_000;
const PAUSE_MS = 100;

/**
 * Stores a request; resolves when NATS has acknowledged it. It is sent again, with the same id, while there is no connection
 * and after a silence.
 * @throws CascadeError RESOURCE_EXHAUSTED when the store is full, UNAVAILABLE when there is none or no connection in time,
 *   INVALID_ARGUMENT.
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
  if (token !== undefined) checkToken(token, TOKEN_HEADER);
  answerSubject(subjects, '', results);
  const data = encodeWithoutDeadline(id, inputs, { scores, outputs });
  const headers = {
    'Cascade-Id': id,
    ...(results === undefined ? {} : { 'Cascade-Results': results }),
    ...(deadlineMs === undefined ? {} : { 'Cascade-Deadline-Ms': String(deadlineMs) }),
    ...(token === undefined ? {} : { [TOKEN_HEADER]: token }),
  };
  const messageId = messageIdOf(data, headers);
  const giveUpAt = clock.now() + timeoutMs;
  for (;;) {
    const leftMs = giveUpAt - clock.now();
    try {
      const attemptMs = Math.max(1, Math.min(SILENCE_MS, leftMs));
      return await bus.workQueues().append(subjects.durable, data, { id: messageId, headers, timeoutMs: attemptMs });
    } catch (error) {
      if (!(error instanceof CascadeError)) throw error;
      const status = await firstValueFrom(bus.status$, { defaultValue: 'closed' });
      // JetStream has a connection of its own, which may be lost while the other one is not.
      const mayPass = error.code === 'DEADLINE_EXCEEDED' || error.code === 'UNAVAILABLE';
      if (!mayPass || status === 'closed' || leftMs <= PAUSE_MS) throw explained(error);
      await (status === 'up' ? after(clock, PAUSE_MS) : connectionOrAfter(bus, clock, leftMs));
    }
  }
}

/**
 * By this NATS tells a request that comes again. Of all that is in it: with the id alone, whoever guesses that could store something else
 * before, and the request would be taken for a repetition.
 */
function messageIdOf(data: Uint8Array, headers: Readonly<Record<string, string>>): string {
  return createHash('sha256').update(JSON.stringify(headers)).update(data).digest('base64url');
}

function explained(error: CascadeError): CascadeError {
  switch (error.code) {
    case 'DEADLINE_EXCEEDED':
      return new CascadeError(
        'UNAVAILABLE',
        `${error.message}; it is not known whether the request is stored, and safe to try again with its id`,
      );
    case 'NOT_FOUND':
      return new CascadeError(
        'UNAVAILABLE',
        `${error.message}; start nats-server with -js, have \`durable: {}\` in the deployment, and serve it`,
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
