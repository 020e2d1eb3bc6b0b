import { assertNever, type ErrorCode } from '../../engine/errors.ts';

/** The outcome of one attempt at a stored request. */
export type Outcome =
  | { readonly type: 'result' }
  /** Its client cancelled it. */
  | { readonly type: 'cancelled' }
  | {
      readonly type: 'failure';
      readonly code: ErrorCode;
      readonly message: string;
      /** An earlier retry would fail again. */
      readonly retryAfterMs?: number | undefined;
      /** A retry would fail the same way. */
      readonly final?: boolean;
    };

/** What happens to the request then. `bury` moves it to the dead letters. */
export type Decision =
  | { readonly type: 'answer' }
  | { readonly type: 'forget' }
  | { readonly type: 'retry'; readonly delayMs: number }
  | { readonly type: 'bury'; readonly code: ErrorCode; readonly reason: string };

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 30_000;

/**
 * A result is sent as the answer, and so is a failure that a retry would repeat, or that comes after the deadline. Other failures are
 * temporary: the request is retried until it has been delivered `maxDeliver` times. A request that killed devices is not retried.
 * @param deliveries 1 at the first attempt; crashes count.
 * @param expired whether the request's own deadline has passed.
 */
export function decide(outcome: Outcome, deliveries: number, maxDeliver: number, expired: boolean): Decision {
  if (outcome.type === 'result') return { type: 'answer' };
  if (outcome.type === 'cancelled') return { type: 'forget' };
  const { code, message, retryAfterMs = 0, final = false } = outcome;
  switch (code) {
    case 'INVALID_ARGUMENT':
    case 'NOT_FOUND':
      return { type: 'answer' };
    case 'RESOURCE_EXHAUSTED':
    case 'DEADLINE_EXCEEDED':
    case 'UNAVAILABLE':
    case 'INTERNAL':
      if (expired) return { type: 'answer' };
      if (final || deliveries >= maxDeliver) return { type: 'bury', code, reason: message };
      return { type: 'retry', delayMs: Math.min(LONGEST_RETRY_MS, Math.max(retryAfterMs, retryDelayMs(deliveries))) };
    default:
      return assertNever(code);
  }
}

/** Doubles from 100 ms to 30 s, so that 20 attempts outlast an outage of a few minutes. */
export function retryDelayMs(deliveries: number): number {
  return Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (deliveries - 1));
}
