import type { Interval } from '../protocol/drift-report.ts';

const Z = 1.96;

/** Share of `hits` among `trials` with Wilson's interval, which is valid for few trials too; with none, it is [0, 1]. */
export function wilson(hits: number, trials: number): Interval {
  if (trials === 0) return { estimate: 0.5, low: 0, high: 1 };
  const estimate = hits / trials;
  const centre = (hits + (Z * Z) / 2) / (trials + Z * Z);
  const half = (Z * Math.sqrt((hits * (trials - hits)) / trials + (Z * Z) / 4)) / (trials + Z * Z);
  return { estimate, low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}

/**
 * Weighted mean of independent shares (weights sum to 1). Distances to the interval's ends add up like variances: MOVER, Zou and Donner,
 * "Construction of confidence limits about effect measures", 2008.
 */
export function weightedMean(parts: readonly { readonly weight: number; readonly share: Interval }[]): Interval {
  let estimate = 0;
  let below = 0;
  let above = 0;
  for (const { weight, share } of parts) {
    estimate += weight * share.estimate;
    below += (weight * (share.estimate - share.low)) ** 2;
    above += (weight * (share.high - share.estimate)) ** 2;
  }
  return { estimate, low: Math.max(0, estimate - Math.sqrt(below)), high: Math.min(1, estimate + Math.sqrt(above)) };
}

/** Mean of numbers in [0, 1], from their sum and sum of squares, by the normal approximation. */
export function meanOf(sum: number, squares: number, count: number): Interval {
  if (count === 0) return { estimate: 0.5, low: 0, high: 1 };
  const estimate = sum / count;
  // Adds pseudo-observations in the middle and at both ends, because a few equal values do not guarantee more of them.
  const variance = Math.max(0, squares / count - estimate ** 2) + 1 / (count + 2) ** 2;
  const half = Z * Math.sqrt(variance / count);
  return { estimate, low: Math.max(0, estimate - half), high: Math.min(1, estimate + half) };
}
