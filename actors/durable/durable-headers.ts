import type { BusMessage } from '../../engine/bus/bus.ts';
import type { QueuedMessage } from '../../engine/bus/work-queue.ts';
import { ERROR_NUMBERS, type ErrorCode } from '../../engine/errors.ts';
import { TOKEN_HEADER } from '../../plans/protocol/cancel.ts';
import { STORED_HEADER } from '../../plans/protocol/client-of.ts';
import { ERROR_CODE_HEADER, ERROR_HEADER, RETRY_AFTER_HEADER, RETRY_HEADER } from '../frontend/answers.ts';
import type { Outcome } from './durable-decision.ts';
import { givenId } from './durable-request.ts';

/** Headers of a stored request when it is sent to the frontends, stored again or dead-lettered, and headers of its answer. */

const REQUEST_HEADERS = ['Content-Type', 'Accept', 'Cascade-Id', 'Cascade-Results', 'Cascade-Reply', 'Cascade-Deadline-Ms'];
const ANSWER_HEADERS = ['Content-Type', ERROR_CODE_HEADER, ERROR_HEADER, RETRY_AFTER_HEADER, RETRY_HEADER];

export function askHeaders(message: QueuedMessage, id: string, tryMs: number): Record<string, string> {
  return {
    ...headersOf(message, ['Content-Type', 'Accept', TOKEN_HEADER]),
    [STORED_HEADER]: 'true',
    'Cascade-Id': id,
    'Cascade-Deadline-Ms': String(Math.max(1, Math.ceil(tryMs))),
  };
}

export function storeAgainHeaders(message: QueuedMessage): Record<string, string> {
  return { ...headersOf(message, [...REQUEST_HEADERS, TOKEN_HEADER]), 'Cascade-Id': givenId(message) };
}

export function letterHeaders(message: QueuedMessage, code: ErrorCode, reason: string): Record<string, string> {
  return {
    ...headersOf(message, REQUEST_HEADERS),
    'Cascade-Dead-Code': code,
    'Cascade-Dead-Reason': reason.replace(/[\r\n]+/g, ' '),
    'Cascade-Dead-Deliveries': String(message.deliveries),
    'Cascade-Dead-Sequence': String(message.sequence),
    'Cascade-Dead-Stored-At': new Date(message.storedAt).toISOString(),
  };
}

export function answerHeaders(answer: Pick<BusMessage, 'header'>): Record<string, string> {
  return headersOf(answer, ANSWER_HEADERS);
}

/** Reads the outcome from a frontend's answer. */
export function outcomeOf(answer: Pick<BusMessage, 'header'>): Outcome {
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

function headersOf(message: { header(name: string): string | undefined }, names: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of names) {
    const value = message.header(name);
    if (value !== undefined) headers[name] = value;
  }
  return headers;
}
