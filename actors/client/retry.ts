import type { Random } from '../../engine/random.ts';

/** A silence of this length means loss if answers are known to come much sooner, however long the deadline is. */
const SILENCE_MS = 5_000;
/**
 * Shares of the deadline. A short deadline says little about how long an answer takes on a busy machine, so we wait at least half of it,
 * unless it is long; an answer to a retry in the last quarter would hardly arrive in time.
 */
const EARLIEST_SHARE = 1 / 2;
const LATEST_SHARE = 3 / 4;
const SLOWER_THAN_SLOWEST = 3;
/** An answer counts as recent for this long, and for up to twice as long. */
const RECENT_MS = 30_000;
const NONE = -1;
const BACKOFF_FIRST_MS = 10;
export const BACKOFF_MAX_MS = 500;

/**
 * Decides when to send a silent request again. Clients do not know how long their deployment takes to answer, so this goes by the slowest
 * recent answer: a guess from the deadline alone would either send everything to a slow deployment again, which makes it slower, or
 * hardly ever resend what a fast one has lost. While the deployment refuses requests, nothing is sent again.
 */
export class Patience {
  #slowestMs = NONE;
  #slowestBeforeMs = NONE;
  #periodEndsAt = Number.NEGATIVE_INFINITY;
  #refusedUntil = Number.NEGATIVE_INFINITY;

  /** Records an answer that came `tookMs` after its request. */
  onAnswer(tookMs: number, now: number): void {
    this.#forget(now);
    this.#slowestMs = Math.max(this.#slowestMs, tookMs);
  }

  /** Records a refusal for overload: the deployment is slow for sure, and slower with every retry. */
  onRefusal(retryAfterMs: number, now: number): void {
    this.#refusedUntil = Math.max(this.#refusedUntil, now + retryAfterMs);
  }

  /** Nothing may be sent again before this time. */
  get refusedUntil(): number {
    return this.#refusedUntil;
  }

  /**
   * How long an attempt may be silent. Without recent answers, half the deadline. Otherwise the shorter of that and 5 seconds, but at
   * least three times the slowest answer, capped at three quarters of the deadline. It doubles for each further attempt.
   * @param attempt 1 for the first.
   */
  silenceMs(deadlineMs: number, attempt: number, now: number): number {
    this.#forget(now);
    const slowestMs = Math.max(this.#slowestMs, this.#slowestBeforeMs);
    const earliestMs = EARLIEST_SHARE * deadlineMs;
    const usualMs = slowestMs === NONE ? earliestMs : Math.max(Math.min(SILENCE_MS, earliestMs), SLOWER_THAN_SLOWEST * slowestMs);
    return Math.min(LATEST_SHARE * deadlineMs, usualMs) * 2 ** (attempt - 1);
  }

  /** The slowest answer is kept per period; the last two periods count. */
  #forget(now: number): void {
    if (now < this.#periodEndsAt) return;
    this.#slowestBeforeMs = now < this.#periodEndsAt + RECENT_MS ? this.#slowestMs : NONE;
    this.#slowestMs = NONE;
    this.#periodEndsAt = now + RECENT_MS;
  }
}

/** Wait after a temporary refusal (nobody listens, no connection, unavailable): doubling, with jitter of one half. */
export function backoffMs(attempt: number, random: Random): number {
  const full = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** (attempt - 1));
  return full * (0.5 + random.next() / 2);
}

/**
 * Bounds retries after silence to a share of the requests: when everything is slow, sending everything again makes it slower (cf.
 * Finagle's RetryBudget).
 */
export class RetryBudget {
  static readonly PER_REQUEST = 0.2;
  /** Enough to retry everything that is usually in flight when a server dies. */
  static readonly MAX = 1_000;
  #tokens = RetryBudget.MAX;

  onRequest(): void {
    this.#tokens = Math.min(RetryBudget.MAX, this.#tokens + RetryBudget.PER_REQUEST);
  }

  /** False when there is nothing left: wait for the answer, or until further requests have added some. */
  take(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
