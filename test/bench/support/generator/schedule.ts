/** A period of constant load: duration and requests per second. */
export type Step = readonly [seconds: number, qps: number];

/** Uniform numbers in [0, 1) from a seed: mulberry32 (Tommy Ettinger). */
function uniform(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * Send times of a Poisson process whose rate changes with the steps, in milliseconds from the start, ascending; in shared memory,
 * because the waker thread reads them too.
 */
export function poissonSchedule(steps: readonly Step[], seed: number): Float64Array<SharedArrayBuffer> {
  const next = uniform(seed);
  const times: number[] = [];
  let beginMs = 0;
  for (const [seconds, qps] of steps) {
    const endMs = beginMs + 1_000 * seconds;
    // The exponential distribution is memoryless, so each step may draw its first gap anew.
    for (let at = beginMs; qps > 0; ) {
      at -= (1_000 / qps) * Math.log(1 - next());
      if (at >= endMs) break;
      times.push(at);
    }
    beginMs = endMs;
  }
  const schedule = new Float64Array(new SharedArrayBuffer(8 * times.length));
  schedule.set(times);
  return schedule;
}

/** The numbers from `from` to `to` - 1 in random order. */
export function shuffled(from: number, to: number, seed: number): Int32Array {
  const next = uniform(seed ^ 0x5bd1e995);
  const order = Int32Array.from({ length: to - from }, (_, i) => from + i);
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
