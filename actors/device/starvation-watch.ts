import { starvedMs } from '../../engine/process/processor-time.ts';

/** Shorter intervals are combined with the next one. */
const SHORTEST_MS = 50;

/** Share of the time for which the inference thread is ready to run but has no processor, because others use its cores. */
export class StarvationWatch {
  readonly #starvedMs: (thread: number) => number | undefined;
  #share: number | null = null;
  #lastMs = 0;
  #lastAt: number | undefined;

  constructor(starved: (thread: number) => number | undefined = starvedMs) {
    this.#starvedMs = starved;
  }

  /** Since the last call; null when unknown. */
  share(thread: number | undefined, now: number): number | null {
    if (this.#lastAt !== undefined && now - this.#lastAt < SHORTEST_MS) return this.#share;
    const ms = thread === undefined ? undefined : this.#starvedMs(thread);
    if (ms === undefined) return null;
    this.#share = this.#lastAt === undefined ? null : Math.min(1, Math.max(0, (ms - this.#lastMs) / (now - this.#lastAt)));
    this.#lastMs = ms;
    this.#lastAt = now;
    return this.#share;
  }
}
