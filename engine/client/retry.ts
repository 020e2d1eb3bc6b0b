import type { Random } from '../random.ts';

/** Longest silence of a first attempt that is not yet taken for a loss. */
const SILENCE_MAX_MS = 5_000;
const BACKOFF_FIRST_MS = 10;
const BACKOFF_MAX_MS = 500;

/**
 * How long an attempt may be silent before the request is sent again: a third of the deadline at first, then twice as long
 * each time, so that a slow server is not buried under repetitions.
 * @param attempt 1 for the first.
 */
export function silenceMs(deadlineMs: number, attempt: number): number {
  return Math.min(deadlineMs / 3, SILENCE_MAX_MS) * 2 ** (attempt - 1);
}

/** Wait after a refusal that may pass (nobody listens, no connection, unavailable): doubling, with jitter of a half. */
export function backoffMs(attempt: number, random: Random): number {
  const full = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** (attempt - 1));
  return full * (0.5 + random.next() / 2);
}

/**
 * Bounds repetitions after silence to a share of the requests: when everything is slow, sending everything again makes
 * it slower (cf. Finagle's RetryBudget).
 */
export class RetryBudget {
  static readonly PER_REQUEST = 0.2;
  /** Enough to repeat everything that is usually under way when a server dies. */
  static readonly MAX = 1_000;
  #tokens = RetryBudget.MAX;

  onRequest(): void {
    this.#tokens = Math.min(RetryBudget.MAX, this.#tokens + RetryBudget.PER_REQUEST);
  }

  /** False when there is nothing left: wait for the answer instead. */
  take(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
