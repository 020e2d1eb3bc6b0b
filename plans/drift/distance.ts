/**
 * Total variation between two histograms over the same bins: the share of observations that would have to move, from 0 (equal) to 1
 * (nothing in common). We prefer it to the Jensen-Shannon distance because people can read it: 0.2 is every fifth.
 */
export function totalVariation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const [sumA, sumB] = [total(a), total(b)];
  let distance = 0;
  for (let bin = 0; bin < a.length; bin++) distance += Math.abs(a[bin] / sumA - b[bin] / sumB);
  return distance / 2;
}

/**
 * Expected total variation between a distribution and `observations` drawn from it, since few observations never match exactly. Normal
 * approximation per bin: the mean deviation of a share p is sqrt(2 p (1 - p) / (pi n)).
 */
export function samplingNoise(distribution: ArrayLike<number>, observations: number): number {
  const sum = total(distribution);
  let noise = 0;
  for (let bin = 0; bin < distribution.length; bin++) {
    const p = distribution[bin] / sum;
    noise += Math.sqrt((2 * p * (1 - p)) / (Math.PI * observations));
  }
  return noise / 2;
}

export function total(histogram: ArrayLike<number>): number {
  let sum = 0;
  for (let bin = 0; bin < histogram.length; bin++) sum += histogram[bin];
  return sum;
}

/** Factor by which to weaken a histogram so that it forgets within `horizonMs`, but always keeps enough to judge by. */
export function keptShare(observations: number, atLeast: number, passedMs: number, horizonMs: number): number {
  if (observations <= atLeast) return 1;
  return Math.max(atLeast / observations, 1 - passedMs / horizonMs);
}
