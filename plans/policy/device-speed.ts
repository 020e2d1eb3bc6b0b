/**
 * How fast recent evidence fades: what a batch said counts for a third after this time. At half its speed a device that was nearly full
 * has the whole of a 100 ms SLO in its queues after some 200 ms: that long it must not take to know.
 */
const MEMORY_MS = 100;
/** But so many batches are remembered at least: where each takes longer than that, one alone would say everything. */
const MEMORY_BATCHES = 4;
/** Profiled time that counts as having been as profiled: a few small batches alone say little, and nothing is said when idle. */
const PRIOR_MS = 5;
/**
 * A batch may take this much longer before it says anything: a model whose weights have left the caches, or whose thread has just
 * been woken, takes 0.05 ms more than in a profile's tight loop, which for the smallest models is twice as long.
 */
const COLD_START_MS = 0.1;
/** A single batch counts for no more than this many times what was expected of it: one that hung says little of the others. */
const MOST_OF_ONE = 4;
/** Bounds of what is believed. Beyond, something else is wrong than the speed. */
const SLOWEST = 20;
const FASTEST = 0.5;

/** Plans leave some room for bursts; a device that is slower by no more than this counts as being as profiled. */
export const TOLERATED_SLOWDOWN = 1.1;

/**
 * How much slower a device is now than it was profiled: time that its batches took, over the time that the profile gives them
 * (docs/operating.md, Measured speed). A ratio of sums, so that long batches count for more than short ones, and a single late one for
 * little. It recovers from a pause: evidence fades with time, and without any the device counts as profiled.
 */
export class DeviceSpeed {
  #tookMs = 0;
  #profiledMs = 0;
  #at = 0;
  #memoryMs = MEMORY_MS;

  /** A batch has ended that takes `profiledMs` by the profile. */
  observe(profiledMs: number, tookMs: number, now: number): void {
    const kept = this.#kept(now);
    const counted = Math.min(tookMs, MOST_OF_ONE * Math.max(1, this.slowdown(now)) * profiledMs + COLD_START_MS);
    this.#profiledMs = kept * this.#profiledMs + profiledMs;
    this.#tookMs = kept * this.#tookMs + Math.max(Math.min(counted, profiledMs), counted - COLD_START_MS);
    this.#at = Math.max(this.#at, now);
    this.#memoryMs = Math.max(MEMORY_MS, MEMORY_BATCHES * profiledMs);
  }

  /** 2: half as fast as profiled. 1 when nothing is known. */
  slowdown(now: number): number {
    const kept = this.#kept(now);
    const ratio = (kept * this.#tookMs + PRIOR_MS) / (kept * this.#profiledMs + PRIOR_MS);
    return Math.min(SLOWEST, Math.max(FASTEST, ratio));
  }

  /** What is left of the evidence. */
  #kept(now: number): number {
    return Math.exp(Math.min(0, this.#at - now) / this.#memoryMs);
  }
}
