import { beginningOf } from '../../engine/beginning-of.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { CascadeError, ERROR_NUMBERS, type ErrorCode, messageOf } from '../../engine/errors.ts';
import { encodeAnswer, encodeAnswers } from '../../plans/protocol/codec.ts';
import type { Failure, Result } from '../../plans/protocol/messages.ts';

/** Headers of the NATS services API on answers that are errors. */
export const ERROR_CODE_HEADER = 'Nats-Service-Error-Code';
export const ERROR_HEADER = 'Nats-Service-Error';
/** Our header: when to retry. */
export const RETRY_AFTER_HEADER = 'Retry-After-Ms';
/** Our header, `never`: retrying would end the same way. */
export const RETRY_HEADER = 'Cascade-Retry';

const JSON_HEADERS = { 'Content-Type': 'application/json' };

/** Headers and the reply subject count toward the server's limit too. */
const ANSWER_RESERVE_BYTES = 1_024;
/** Maximum length of an error message, for people. It is also in a header, within the reserve. */
const MESSAGE_MAX_CHARACTERS = 600;
/** Length of the first message in the header of a list, so that it fits into the reserve. */
const LIST_HEADER_CHARACTERS = 200;

/** False when the answer was dropped because there is no connection. */
export function sendResult(bus: Bus, reply: string, result: Result, json: boolean): boolean {
  let data: Uint8Array;
  try {
    data = encodeAnswer(result, json);
  } catch (error) {
    const { code, message } = failureOf(error);
    return sendFailure(bus, reply, result.id, code, message, json);
  }
  if (data.length > bus.maxPayloadBytes - ANSWER_RESERVE_BYTES) {
    const limit = `the result is ${data.length} bytes, above the limit of ${bus.maxPayloadBytes} of the NATS server`;
    return sendFailure(
      bus,
      reply,
      result.id,
      'INVALID_ARGUMENT',
      `${limit}; request it without scores and outputs, or raise its max_payload`,
      json,
    );
  }
  return bus.publish(reply, data, json ? { headers: JSON_HEADERS } : undefined);
}

/** Sends a single error. */
export function sendFailure(
  bus: Bus,
  reply: string,
  id: string,
  code: ErrorCode,
  message: string,
  json: boolean,
  retryAfterMs?: number,
): boolean {
  const { data, headers } = encodeFailure(id, code, message, json, retryAfterMs);
  return bus.publish(reply, data, { headers });
}

/** Encodes an error: in the body for our clients, in headers for clients of the NATS services API. */
export function encodeFailure(
  id: string,
  code: ErrorCode,
  message: string,
  json: boolean,
  retryAfterMs?: number,
): { data: Uint8Array; headers: Readonly<Record<string, string>> } {
  const failure: Failure = { id, error: retryAfterMs === undefined ? { code, message } : { code, message, retryAfterMs } };
  return { data: encodeAnswer(failure, json), headers: failureHeaders(code, message, json, retryAfterMs) };
}

/**
 * Sends the errors of requests that arrived in one message. Many errors form lists, so that a message of thousands is not answered with
 * thousands of messages; each list has one code, so that headers can state it.
 */
export function sendFailures(bus: Bus, reply: string, failures: readonly Failure[], json: boolean): void {
  const byCode = new Map<ErrorCode, Failure[]>();
  for (const failure of failures) {
    const alike = byCode.get(failure.error.code);
    if (alike === undefined) byCode.set(failure.error.code, [failure]);
    else alike.push(failure);
  }
  for (const alike of byCode.values()) sendAlike(bus, reply, alike, json);
}

/** Splits the list if it exceeds the server's limit. */
function sendAlike(bus: Bus, reply: string, failures: readonly Failure[], json: boolean): void {
  const [first] = failures;
  const { error } = first;
  const data = failures.length === 1 ? encodeAnswer(first, json) : encodeAnswers(failures, json);
  if (data.length > bus.maxPayloadBytes - ANSWER_RESERVE_BYTES) {
    for (const half of halvesOf(failures)) sendAlike(bus, reply, half, json);
    return;
  }
  if (failures.length === 1) {
    const headers = { ...failureHeaders(error.code, error.message, json, error.retryAfterMs), ...finalHeaders(failures) };
    bus.publish(reply, data, { headers });
    return;
  }
  const count = failures.reduce((sum, each) => sum + (each.ids?.length ?? 1), 0);
  const words = `${count} requests, the first: ${beginningOf(error.message, LIST_HEADER_CHARACTERS)}`;
  const hints = failures.flatMap(({ error: { retryAfterMs } }) => retryAfterMs ?? []);
  // To retry all of them, wait for the longest.
  const retryAfterMs = hints.length === 0 ? undefined : Math.max(...hints);
  bus.publish(reply, data, { headers: { ...failureHeaders(error.code, words, json, retryAfterMs), ...finalHeaders(failures) } });
}

/** A single failure can only be too large because of the ids it lists. */
function halvesOf(failures: readonly Failure[]): (readonly Failure[])[] {
  const [{ ids = [] }] = failures;
  const all = failures.length > 1 ? failures : ids;
  const middle = all.length >> 1;
  if (all === failures) return [failures.slice(0, middle), failures.slice(middle)];
  return [ids.slice(0, middle), ids.slice(middle)].map((half) => [{ ...failures[0], ids: half }]);
}

function finalHeaders(failures: readonly Failure[]): Record<string, string> {
  return failures.every(({ error }) => error.final) ? { [RETRY_HEADER]: 'never' } : {};
}

function failureHeaders(
  code: ErrorCode,
  message: string,
  json: boolean,
  retryAfterMs: number | undefined,
): Record<string, string> {
  return {
    [ERROR_CODE_HEADER]: String(ERROR_NUMBERS[code]),
    // Header values end at a line break.
    [ERROR_HEADER]: `${code}: ${message}`.replace(/[\r\n]+/g, ' '),
    ...(retryAfterMs === undefined ? {} : { [RETRY_AFTER_HEADER]: String(retryAfterMs) }),
    ...(json ? JSON_HEADERS : {}),
  };
}

/** Code, message and hint of the answer to a thrown error. */
export function failureOf(error: unknown): { code: ErrorCode; message: string; retryAfterMs?: number | undefined } {
  if (!(error instanceof CascadeError)) return { code: 'INTERNAL', message: shortened(messageOf(error)) };
  const { code, message, retryAfterMs } = error;
  return { code, message: shortened(message), retryAfterMs };
}

function shortened(message: string): string {
  return message.length > MESSAGE_MAX_CHARACTERS ? `${beginningOf(message, MESSAGE_MAX_CHARACTERS)}...` : message;
}
