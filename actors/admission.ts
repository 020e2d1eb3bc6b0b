/** What is remembered of how fast requests ended: older evidence counts e times less for each such time. */
const WINDOW_MS = 1_000;
/** Share of its deadline that a request may be expected to wait: the rest is margin, for batches and stages that take longer. */
const USABLE = 0.8;
/**
 * A wait longer than this many times what requests took of late is not believed yet: a burst after a time of little load finds
 * many in flight and few that ended, though the devices could do far more.
 */
const BELIEVED = 4;
const RETRY_MIN_MS = 10;
/** Later, everything may be different. */
const RETRY_MAX_MS = 5_000;

/**
 * Whether a frontend may take one more request, by the wait that it has to expect (DESIGN §4). The wait is Little's law over the
 * frontend's own requests: those in flight, over those that are completed per second while any are. Frontends share the devices
 * in the same proportion in both, so that none needs to know of the others. Without evidence nothing is refused.
 */
export class Admission {
  #inFlight = 0;
  #at = 0;
  /** All four are decayed, by time in which something was in flight: an idle plane says nothing about its speed. */
  #busyMs = 0;
  #completed = 0;
  #ended = 0;
  #tookMs = 0;

  /** A request was taken. */
  started(now: number): void {
    this.#advance(now);
    this.#inFlight++;
  }

  /**
   * A request that was taken has ended, however it did.
   * @param tookMs since it was taken.
   * @param completed false when it was given up without an inference: that is no evidence of speed.
   */
  ended(tookMs: number, completed: boolean, now: number): void {
    this.#advance(now);
    this.#inFlight--;
    this.#ended++;
    this.#tookMs += tookMs;
    if (completed) this.#completed++;
  }

  /** Time that the requests in flight still take, and so the next one; 0 as long as nothing is known. */
  expectedWaitMs(now: number): number {
    this.#advance(now);
    if (this.#ended === 0) return 0;
    const believedMs = (BELIEVED * this.#tookMs) / this.#ended;
    if (this.#completed === 0) return this.#inFlight === 0 ? 0 : believedMs;
    return Math.min((this.#inFlight * this.#busyMs) / this.#completed, believedMs);
  }

  /**
   * Undefined when a request with this deadline may be taken; else the time after which half of what its deadline allows is
   * expected to be in flight, when nothing more is taken: a good time to ask again.
   */
  retryAfterMs(deadlineMs: number, now: number): number | undefined {
    const waitMs = this.expectedWaitMs(now);
    const usableMs = USABLE * deadlineMs;
    return waitMs <= usableMs ? undefined : this.#retry(waitMs - usableMs / 2);
  }

  /** The same for a request that a bound other than time keeps out: when half of what is in flight should have ended. */
  roomAfterMs(now: number): number {
    return this.#retry(this.expectedWaitMs(now) / 2);
  }

  #retry(ms: number): number {
    return Math.ceil(Math.min(RETRY_MAX_MS, Math.max(RETRY_MIN_MS, ms)));
  }

  #advance(now: number): void {
    const passedMs = now - this.#at;
    this.#at = now;
    if (this.#inFlight === 0 || passedMs <= 0) return;
    const decay = Math.exp(-passedMs / WINDOW_MS);
    this.#busyMs = this.#busyMs * decay + WINDOW_MS * (1 - decay);
    this.#completed *= decay;
    this.#ended *= decay;
    this.#tookMs *= decay;
  }
}
