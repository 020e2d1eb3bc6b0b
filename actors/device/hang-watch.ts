/** An inference counts as hung after this many times its expected time, but not before LEAST_MS. */
const TIMES_EXPECTED = 10;
const LEAST_MS = 1_000;

/**
 * Detects an inference that takes far longer than profiled, because the device does not come back. Only time in which this process itself
 * ran counts, as shown by its ticks: after a pause of the whole process we cannot say anything about the device.
 */
export class HangWatch {
  readonly #tickMs: number;
  #limitMs = Number.POSITIVE_INFINITY;
  #ranMs = 0;
  #tickedAt: number;

  /** @param tickMs interval between ticks; a longer gap counts as at most two of them. */
  constructor(tickMs: number, now: number) {
    this.#tickMs = tickMs;
    this.#tickedAt = now;
  }

  /** An inference starts that should take `expectedMs` according to the profile and the measured speed. */
  begin(expectedMs: number): void {
    this.#limitMs = Math.max(LEAST_MS, TIMES_EXPECTED * expectedMs);
    this.#ranMs = 0;
  }

  end(): void {
    this.#limitMs = Number.POSITIVE_INFINITY;
  }

  /**
   * @param occupied the device does something else, such as loading a model, that the inference may have to wait for.
   * @returns the time since the last tick; if that is far more than the interval, this process was paused.
   */
  tick(now: number, occupied: boolean): { readonly sinceLastMs: number; readonly hung: boolean } {
    const sinceLastMs = now - this.#tickedAt;
    this.#tickedAt = now;
    if (!occupied) this.#ranMs += Math.min(sinceLastMs, 2 * this.#tickMs);
    return { sinceLastMs, hung: this.#ranMs > this.#limitMs };
  }
}
