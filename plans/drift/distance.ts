/**
 * Total variation between two histograms over the same bins: the share of the observations that would have to lie elsewhere, from 0
 * (alike) to 1 (nothing in common). Chosen over the Jensen-Shannon distance because people can read it: 0.2 is every fifth.
 */
export function totalVariation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const [sumA, sumB] = [total(a), total(b)];
  let distance = 0;
  for (let bin = 0; bin < a.length; bin++) distance += Math.abs(a[bin] / sumA - b[bin] / sumB);
  return distance / 2;
}

/**
 * What total variation is to be expected between a distribution and `observations` drawn from it: few observations are never quite
 * alike. Normal approximation per bin: the mean deviation of a share p is sqrt(2 p (1 - p) / (pi n)).
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

/** By how much a histogram is to be weakened so that it forgets within `horizonMs`, but never all that can be judged by. */
export function keptShare(observations: number, atLeast: number, passedMs: number, horizonMs: number): number {
  if (observations <= atLeast) return 1;
  return Math.max(atLeast / observations, 1 - passedMs / horizonMs);
}
