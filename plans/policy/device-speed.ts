/**
 * Time constant at which evidence fades (to a third after this time). A device that was nearly full and drops to half speed has all
 * of a 100 ms SLO in its queues after about 200 ms, so we must notice sooner.
 */
const MEMORY_MS = 100;
/** Remember at least this many batches: where each takes longer than MEMORY_MS, a single one would decide alone. */
const MEMORY_BATCHES = 4;
/** Time assumed to have matched the profile: a few small batches prove little, and an idle device proves nothing. */
const PRIOR_MS = 5;
/**
 * A batch may take this much longer before it counts as slow. A model whose weights have left the caches, or whose thread has just
 * been woken, takes 0.05 ms longer than in a profile's tight loop, which doubles the time of the smallest models.
 */
const COLD_START_MS = 0.1;
/** Cap on the weight of one batch, as a multiple of its expected time: one that hung says little about the others. */
const MOST_OF_ONE = 4;
/** Bounds on a believable slowdown. Beyond them, something other than the speed is wrong. */
const SLOWEST = 20;
const FASTEST = 0.5;

/** Plans leave some room for bursts, so a slowdown up to this counts as none. */
export const TOLERATED_SLOWDOWN = 1.1;

/**
 * How much slower a device is now than it was profiled: the time its batches took, divided by the time the profile gives them
 * (docs/operating.md, Measured speed). It is a ratio of sums, so long batches weigh more than short ones, and a single late batch
 * weighs little. Evidence fades with time, and a device without evidence counts as profiled, so it recovers from a pause.
 */
export class DeviceSpeed {
  #tookMs = 0;
  #profiledMs = 0;
  #at = 0;
  #memoryMs = MEMORY_MS;

  /** Records a batch that takes `profiledMs` according to the profile. */
  observe(profiledMs: number, tookMs: number, now: number): void {
    const kept = this.#kept(now);
    const counted = Math.min(tookMs, MOST_OF_ONE * Math.max(1, this.slowdown(now)) * profiledMs + COLD_START_MS);
    this.#profiledMs = kept * this.#profiledMs + profiledMs;
    this.#tookMs = kept * this.#tookMs + Math.max(Math.min(counted, profiledMs), counted - COLD_START_MS);
    this.#at = Math.max(this.#at, now);
    this.#memoryMs = Math.max(MEMORY_MS, MEMORY_BATCHES * profiledMs);
  }

  /** 2 means half as fast as profiled; 1 when nothing is known. */
  slowdown(now: number): number {
    const kept = this.#kept(now);
    const ratio = (kept * this.#tookMs + PRIOR_MS) / (kept * this.#profiledMs + PRIOR_MS);
    return Math.min(SLOWEST, Math.max(FASTEST, ratio));
  }

  /** Share of the evidence that is left. */
  #kept(now: number): number {
    return Math.exp(Math.min(0, this.#at - now) / this.#memoryMs);
  }
}
