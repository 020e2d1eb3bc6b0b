export interface ProgressLimits {
  /** How far apart `check` is called. */
  readonly checkMs: number;
  /** Silence after which the other side is taken for stuck. */
  readonly silentMs: number;
}

/**
 * Whether a process that says `alive` from its event loop still makes progress. Silence counts only while the watcher runs itself,
 * which it knows by being called on time: after a pause of its own, what the other one said meanwhile has still to be read.
 */
export class ProgressWatch {
  readonly #limits: ProgressLimits;
  #checkedAt: number;
  #silentForMs = 0;

  constructor(limits: ProgressLimits, now: number) {
    this.#limits = limits;
    this.#checkedAt = now;
  }

  heard(): void {
    this.#silentForMs = 0;
  }

  /** True when the other side is stuck. */
  check(now: number): boolean {
    const passedMs = now - this.#checkedAt;
    this.#checkedAt = now;
    if (passedMs > 4 * this.#limits.checkMs) this.#silentForMs = 0;
    else this.#silentForMs += passedMs;
    return this.#silentForMs > this.#limits.silentMs;
  }
}
