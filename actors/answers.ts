import type { Bus } from '../engine/bus/bus.ts';
import { CascadeError, ERROR_NUMBERS, type ErrorCode } from '../engine/errors.ts';
import { encodeAnswer } from '../engine/wire/codec.ts';
import type { Failure, Result } from '../engine/wire/messages.ts';

const JSON_HEADERS = { 'Content-Type': 'application/json' };

export function sendResult(bus: Bus, reply: string, result: Result, json: boolean): void {
  bus.publish(reply, encodeAnswer(result, json), json ? { headers: JSON_HEADERS } : undefined);
}

/** Sends an error in its own right: in the body for our clients, in headers for those of the NATS services API. */
export function sendFailure(bus: Bus, reply: string, id: string, code: ErrorCode, message: string, json: boolean): void {
  const failure: Failure = { id, error: { code, message } };
  // Header values end at a line break.
  const headers = {
    'Nats-Service-Error-Code': String(ERROR_NUMBERS[code]),
    'Nats-Service-Error': `${code}: ${message}`.replace(/[\r\n]+/g, ' '),
    ...(json ? JSON_HEADERS : {}),
  };
  bus.publish(reply, encodeAnswer(failure, json), { headers });
}

/** The code and message to answer with when something threw. */
export function failureOf(error: unknown): { code: ErrorCode; message: string } {
  if (error instanceof CascadeError) return { code: error.code, message: error.message };
  return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) };
}
