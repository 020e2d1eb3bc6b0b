/** An expected accuracy, and the interval that holds the true one in 95 of 100 cases. */
export interface AccuracyEstimate {
  readonly accuracy: number;
  readonly interval: readonly [low: number, high: number];
}

/** Of the standard normal: 95 % lie within. */
const Z = 1.96;
/**
 * A correction for selection is itself uncertain: this much of its square adds to the variance. Found by `bench:accuracy`, where
 * intervals without it hold the truth in 90 % of 200 shuffles of 200 samples.
 */
const CORRECTION_VARIANCE = 0.5;

/** What an estimate rests on. */
export interface Evidence {
  readonly samples: number;
  /** Variance of the quality of an answer, as a share of the most that its mean allows: 1 where answers are right or wrong. */
  readonly spread: number;
}

/** Of some answers, see `Evidence`. */
export function spreadOf(quality: Float32Array): number {
  let [sum, squares] = [0, 0];
  for (const value of quality) {
    sum += value;
    squares += value * value;
  }
  const mean = sum / quality.length;
  const most = mean * (1 - mean);
  return most > 0 ? (squares / quality.length - mean * mean) / most : 1;
}

/**
 * Wilson's score interval, for as many samples as would be as uncertain as these are with the correction.
 * @param accuracy corrected for selection.
 * @param measured before the correction.
 */
export function estimateOf(accuracy: number, measured: number, { samples, spread }: Evidence): AccuracyEstimate {
  // Two right and two wrong answers more (Agresti and Coull): a variance that is never nought.
  const near = (accuracy * samples + 2) / (samples + 4);
  const variance = near * (1 - near);
  const n = variance / ((spread * variance) / samples + CORRECTION_VARIANCE * (measured - accuracy) ** 2);
  const center = (accuracy + (Z * Z) / (2 * n)) / (1 + (Z * Z) / n);
  const half = (Z / (1 + (Z * Z) / n)) * Math.sqrt((accuracy * (1 - accuracy)) / n + (Z * Z) / (4 * n * n));
  return { accuracy, interval: [Math.max(0, center - half), Math.min(1, center + half)] };
}

/** Of a mean, weights summing to 1: estimates from the same samples err together, so their intervals do not shrink. */
export function weightedMean(estimates: readonly AccuracyEstimate[], weights: readonly number[]): AccuracyEstimate {
  const mean = (of: (estimate: AccuracyEstimate) => number): number =>
    estimates.reduce((sum, estimate, i) => sum + weights[i] * of(estimate), 0);
  return { accuracy: mean((e) => e.accuracy), interval: [mean((e) => e.interval[0]), mean((e) => e.interval[1])] };
}
