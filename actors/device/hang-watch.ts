/** An inference may take this many times what is expected of it, and at least so long, before it counts as hung. */
const TIMES_EXPECTED = 10;
const LEAST_MS = 1_000;

/**
 * Finds an inference that takes far longer than profiled: a device that does not come back. Only time in which this
 * process ran itself counts, which it shows by ticking: after a pause of the whole process nothing can be said of the device.
 */
export class HangWatch {
  readonly #tickMs: number;
  #limitMs = Number.POSITIVE_INFINITY;
  #ranMs = 0;
  #tickedAt: number;

  /** @param tickMs how far apart ticks are; a longer time between two counts as no more than two of them. */
  constructor(tickMs: number, now: number) {
    this.#tickMs = tickMs;
    this.#tickedAt = now;
  }

  /** An inference begins that takes `expectedMs` by the profile and the measured speed. */
  begin(expectedMs: number): void {
    this.#limitMs = Math.max(LEAST_MS, TIMES_EXPECTED * expectedMs);
    this.#ranMs = 0;
  }

  end(): void {
    this.#limitMs = Number.POSITIVE_INFINITY;
  }

  /**
   * @param occupied the device does something else, such as loading a model, that the inference may have to wait for.
   * @returns the time since the last tick: when it is far more than the distance of ticks, this process was paused.
   */
  tick(now: number, occupied: boolean): { readonly sinceLastMs: number; readonly hung: boolean } {
    const sinceLastMs = now - this.#tickedAt;
    this.#tickedAt = now;
    if (!occupied) this.#ranMs += Math.min(sinceLastMs, 2 * this.#tickMs);
    return { sinceLastMs, hung: this.#ranMs > this.#limitMs };
  }
}
