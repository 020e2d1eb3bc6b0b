/** Preferred numbers, ten per decade, so that a percentile read from the counts is accurate to within a few percent. */
const PER_DECADE = [1, 1.25, 1.6, 2, 2.5, 3.15, 4, 5, 6.3, 8];

/** Upper bounds of the bins of times, in milliseconds: 0.1 ms to 63 s. */
export const TIME_BOUNDS_MS: readonly number[] = [-1, 0, 1, 2, 3, 4]
  .flatMap((exponent) => PER_DECADE.map((mantissa) => Number((mantissa * 10 ** exponent).toPrecision(3))))
  .filter((ms) => ms <= 63_000);

/** Upper bounds of the bins of batch sizes. */
export const SIZE_BOUNDS: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/** Observations since a process started. */
export interface HistogramCounts {
  /** Per bin; there is one more bin than bounds, for values above the last. Both sides know the bounds. */
  readonly counts: readonly number[];
  readonly sum: number;
}

/** Counts values in bins. Runs for each answer, so it allocates nothing. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Array<number>(bounds.length + 1).fill(0);
  }

  /** A value belongs to the first bin whose bound is not below it. */
  observe(value: number): void {
    let low = 0;
    let high = this.#bounds.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (value <= this.#bounds[middle]) high = middle;
      else low = middle + 1;
    }
    this.#counts[low]++;
    // Ages are differences of clock readings, and may be slightly negative.
    if (value > 0) this.#sum += value;
  }

  get told(): HistogramCounts {
    return { counts: [...this.#counts], sum: this.#sum };
  }
}

/** Adds up counts that share bounds. */
export function sumOf(all: readonly HistogramCounts[], bins: number): HistogramCounts {
  const counts = new Array<number>(bins).fill(0);
  let sum = 0;
  for (const each of all) {
    sum += each.sum;
    for (let i = 0; i < Math.min(bins, each.counts.length); i++) counts[i] += each.counts[i];
  }
  return { counts, sum };
}

/** Observations between two readings of one process; all of the later reading if the process restarted in between. */
export function since(before: HistogramCounts | undefined, now: HistogramCounts): HistogramCounts {
  if (before === undefined || before.counts.length !== now.counts.length) return now;
  const counts = now.counts.map((count, i) => count - before.counts[i]);
  return counts.some((count) => count < 0) ? now : { counts, sum: Math.max(0, now.sum - before.sum) };
}

/**
 * Interpolates within the bin, as Prometheus does.
 * @param q from 0 to 1.
 * @returns null when there are no observations.
 */
export function quantile(bounds: readonly number[], { counts }: HistogramCounts, q: number): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  let left = q * total;
  for (let i = 0; i < bounds.length; i++) {
    if (counts[i] > 0 && left <= counts[i]) {
      const from = i === 0 ? 0 : bounds[i - 1];
      return from + ((bounds[i] - from) * left) / counts[i];
    }
    left -= counts[i];
  }
  return bounds[bounds.length - 1];
}
