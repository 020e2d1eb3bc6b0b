import type { RuntimeCurve } from '../domain/profile/profile.ts';

/** If two doublings of the batch save no more than this per sample, larger batches are not worth it. */
const NO_GAIN = 0.03;

/** 1, 2, 4 ... and the largest. */
export function batchSizes(largest: number): number[] {
  const sizes: number[] = [];
  for (let size = 1; size < largest; size *= 2) sizes.push(size);
  return [...sizes, largest];
}

/**
 * Whether to try larger batches: not when the last one took too long, nor after two doublings in a row without a gain (one could be
 * noise).
 * @param limitMs longest batch worth profiling.
 */
export function worthLarger({ batch, ms }: RuntimeCurve, limitMs: number): boolean {
  const last = ms.length - 1;
  if (last >= 0 && ms[last] > limitMs) return false;
  if (last < 2) return true;
  const perSample = (i: number): number => ms[i] / batch[i];
  return Math.min(perSample(last), perSample(last - 1)) < (1 - NO_GAIN) * perSample(last - 2);
}

/**
 * The closest non-decreasing series (pool adjacent violators): a larger batch cannot be faster, so where a measurement says so, both
 * values are off.
 */
export function monotone(values: readonly number[]): number[] {
  const pools: { mean: number; size: number }[] = [];
  for (const value of values) {
    let pool = { mean: value, size: 1 };
    for (let before = pools.at(-1); before !== undefined && before.mean > pool.mean; before = pools.at(-1)) {
      pools.pop();
      const size = before.size + pool.size;
      pool = { mean: (before.mean * before.size + pool.mean * pool.size) / size, size };
    }
    pools.push(pool);
  }
  return pools.flatMap(({ mean, size }) => new Array<number>(size).fill(mean));
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
