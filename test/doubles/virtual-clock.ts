import type { Clock } from '../../engine/clock.ts';
import { Heap } from '../../engine/collections/heap.ts';

/**
 * Simulated time: nothing happens until `runUntil` or `step`. Callbacks run in order of (time, scheduling order), so a run depends
 * only on its inputs.
 */
export class VirtualClock implements Clock {
  #nowMs: number;
  readonly #queue = new Heap<{ at: number; fn: (() => void) | undefined }>();

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  after(delayMs: number, fn: () => void): () => void {
    const entry: { at: number; fn: (() => void) | undefined } = { at: this.#nowMs + Math.max(0, delayMs), fn };
    this.#queue.push(entry.at, entry);
    return () => {
      entry.fn = undefined;
    };
  }

  soon(fn: () => void): void {
    this.after(0, fn);
  }

  /** When the next callback is due, cancelled ones included; undefined if none is left. */
  get nextAt(): number | undefined {
    return this.#queue.peekKey();
  }

  /** Runs the next callback. @returns false if none is left. */
  step(): boolean {
    const entry = this.#queue.pop();
    if (entry === undefined) return false;
    if (entry.fn !== undefined) {
      this.#nowMs = entry.at;
      entry.fn();
    }
    return true;
  }

  /** Runs everything due up to and including `timeMs`; the clock then stands at `timeMs`. */
  runUntil(timeMs: number): void {
    for (let next = this.#queue.peekKey(); next !== undefined && next <= timeMs; next = this.#queue.peekKey()) this.step();
    this.#nowMs = Math.max(this.#nowMs, timeMs);
  }
}
