import type { Random } from '../../engine/random.ts';

/** A silence this long is a loss where answers are known to come much sooner, however long the deadline. */
const SILENCE_MS = 5_000;
/**
 * Shares of the deadline. A short one says little of how long an answer takes on a busy machine, so half of it passes at least,
 * unless it is long; an answer to what is sent in its last quarter would hardly come in time.
 */
const EARLIEST_SHARE = 1 / 2;
const LATEST_SHARE = 3 / 4;
const SLOWER_THAN_SLOWEST = 3;
/** An answer counts as one of late for this long, and for up to as long again. */
const OF_LATE_MS = 30_000;
const NONE = -1;
const BACKOFF_FIRST_MS = 10;
export const BACKOFF_MAX_MS = 500;

/**
 * When a request that is silent is sent again. Nobody tells a client how long an answer of its deployment takes, so it goes by the
 * slowest answer of late: a guess from the deadline alone would either send everything to a slow deployment again, which makes it
 * slower, or hardly ever send again what a fast one has lost. And while the deployment refuses requests, none is sent again.
 */
export class Patience {
  #slowestMs = NONE;
  #slowestBeforeMs = NONE;
  #periodEndsAt = Number.NEGATIVE_INFINITY;
  #refusedUntil = Number.NEGATIVE_INFINITY;

  /** An answer came `tookMs` after it was asked for. */
  onAnswer(tookMs: number, now: number): void {
    this.#forget(now);
    this.#slowestMs = Math.max(this.#slowestMs, tookMs);
  }

  /** The deployment refused a request for overload: it is slow for sure, and slower with every repetition. */
  onRefusal(retryAfterMs: number, now: number): void {
    this.#refusedUntil = Math.max(this.#refusedUntil, now + retryAfterMs);
  }

  /** Nothing is to be sent again before. */
  get refusedUntil(): number {
    return this.#refusedUntil;
  }

  /**
   * How long an attempt may be silent. Half the deadline while there was no answer of late; else that or 5 seconds, whichever is
   * shorter, or three times the slowest answer, within three quarters of the deadline. Twice as long for each further attempt.
   * @param attempt 1 for the first.
   */
  silenceMs(deadlineMs: number, attempt: number, now: number): number {
    this.#forget(now);
    const slowestMs = Math.max(this.#slowestMs, this.#slowestBeforeMs);
    const earliestMs = EARLIEST_SHARE * deadlineMs;
    const usualMs = slowestMs === NONE ? earliestMs : Math.max(Math.min(SILENCE_MS, earliestMs), SLOWER_THAN_SLOWEST * slowestMs);
    return Math.min(LATEST_SHARE * deadlineMs, usualMs) * 2 ** (attempt - 1);
  }

  /** The slowest is kept by periods, of which the last two count. */
  #forget(now: number): void {
    if (now < this.#periodEndsAt) return;
    this.#slowestBeforeMs = now < this.#periodEndsAt + OF_LATE_MS ? this.#slowestMs : NONE;
    this.#slowestMs = NONE;
    this.#periodEndsAt = now + OF_LATE_MS;
  }
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

  /** False when there is nothing left: wait for the answer, or until further requests have brought some. */
  take(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
