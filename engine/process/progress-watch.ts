export interface ProgressLimits {
  /** Interval between calls of `check`. */
  readonly checkMs: number;
  /** Silence after which the other side counts as stuck. */
  readonly silentMs: number;
  /** The same for a process without processor time: killing it would not make the machine faster. */
  readonly starvedMs: number;
}

/** A process that wants to run and gets less than this share of a processor is starved. */
const STARVED_SHARE = 0.25;

/**
 * Whether a process that sends `alive` from its event loop still makes progress. Silence counts only while the watcher itself runs,
 * which it knows by being called on time: after a pause of its own, it may not have read what the other side sent.
 */
export class ProgressWatch {
  readonly #limits: ProgressLimits;
  #checkedAt: number;
  #silentForMs = 0;
  /** Measured half-way through the silence. */
  #before: { readonly silentForMs: number; readonly runnableMs: number | undefined } | undefined;

  constructor(limits: ProgressLimits, now: number) {
    this.#limits = limits;
    this.#checkedAt = now;
  }

  heard(): void {
    this.#silentForMs = 0;
    this.#before = undefined;
  }

  /**
   * True when the other side is stuck.
   * @param runnableMs its processor time so far, when it runs or waits for a processor; else undefined.
   */
  check(now: number, runnableMs: () => number | undefined): boolean {
    const { checkMs, silentMs, starvedMs } = this.#limits;
    const passedMs = now - this.#checkedAt;
    this.#checkedAt = now;
    if (passedMs > 4 * checkMs) this.heard();
    else this.#silentForMs += passedMs;
    const silentForMs = this.#silentForMs;
    if (silentForMs > silentMs / 2) this.#before ??= { silentForMs, runnableMs: runnableMs() };
    if (silentForMs <= silentMs) return false;
    return silentForMs > starvedMs || !this.#isStarved(runnableMs());
  }

  #isStarved(runnableMs: number | undefined): boolean {
    const before = this.#before;
    if (before?.runnableMs === undefined || runnableMs === undefined) return false;
    return runnableMs - before.runnableMs < STARVED_SHARE * (this.#silentForMs - before.silentForMs);
  }
}
