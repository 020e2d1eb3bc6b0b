import { assertNever, type ErrorCode } from '../../engine/errors.ts';

/** How an attempt at a stored request ended. */
export type Outcome =
  | { readonly type: 'result' }
  /** Its client has given it up. */
  | { readonly type: 'cancelled' }
  | {
      readonly type: 'failure';
      readonly code: ErrorCode;
      readonly message: string;
      /** Before that another try is in vain. */
      readonly retryAfterMs?: number | undefined;
      /** Another try would end the same way. */
      readonly final?: boolean;
    };

/** What becomes of the request then. */
export type Decision =
  | { readonly type: 'answer' }
  | { readonly type: 'forget' }
  | { readonly type: 'retry'; readonly delayMs: number }
  | { readonly type: 'bury'; readonly code: ErrorCode; readonly reason: string };

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 30_000;

/**
 * A result is the answer, and so is a failure that would be the same the next time, or that nobody waits beyond. Other
 * failures pass, so the request is tried again, until it has been delivered `maxDeliver` times. One that killed devices is not.
 * @param deliveries 1 at the first try; crashes count.
 * @param expired whether the time that the request itself allows is over.
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

/** Doubles from 100 ms to 30 s, so that 20 tries outlast an outage of some minutes. */
export function retryDelayMs(deliveries: number): number {
  return Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (deliveries - 1));
}
