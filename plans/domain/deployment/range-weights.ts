import type { Load } from './deployment.ts';

/**
 * Probability of each of the equal QPS ranges from 0 to `qpsMax`; sums to 1. Zipfian: range k has weight 1 / (k + 1)^s
 * (CascadeServe §4.3). A measured histogram is spread evenly within its own ranges and resampled. Loads above `qpsMax` count toward
 * the last range, because a plan promises nothing beyond it.
 */
export function rangeWeights(load: Load): number[] {
  const { distribution, ranges } = load;
  const weights = new Array<number>(ranges).fill(0);
  if (distribution.type === 'zipf') {
    for (let k = 0; k < ranges; k++) weights[k] = (k + 1) ** -distribution.exponent;
  } else {
    const width = load.qpsMax / ranges;
    const measuredWidth = distribution.qpsMax / distribution.weights.length;
    scaled(distribution.weights).forEach((weight, m) => {
      const [from, to] = [m * measuredWidth, (m + 1) * measuredWidth];
      for (let k = 0; k < ranges; k++) {
        const end = k === ranges - 1 ? Number.POSITIVE_INFINITY : (k + 1) * width;
        const overlap = Math.min(to, end) - Math.max(from, k * width);
        if (overlap > 0) weights[k] += (weight * overlap) / measuredWidth;
      }
    });
  }
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/**
 * Mean load in requests/s according to a measured histogram, whose ranges may be much narrower than those of a plan; undefined for a Zipfian
 * distribution, which is defined by the plan's ranges.
 */
export function measuredMeanQps({ distribution }: Pick<Load, 'distribution'>): number | undefined {
  if (distribution.type === 'zipf') return undefined;
  const width = distribution.qpsMax / distribution.weights.length;
  const weights = scaled(distribution.weights);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.reduce((mean, weight, m) => mean + (weight / sum) * (m + 0.5) * width, 0);
}

/** Sums of extreme weights would be infinite, or their shares 0. */
function scaled(weights: readonly number[]): number[] {
  const largest = weights.reduce((max, weight) => Math.max(max, weight), 0);
  return weights.map((weight) => weight / largest);
}
