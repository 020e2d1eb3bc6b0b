/** An expected accuracy and its 95 % confidence interval. */
export interface AccuracyEstimate {
  readonly accuracy: number;
  readonly interval: readonly [low: number, high: number];
}

/** 95 % quantile of the standard normal distribution, two-sided. */
const Z = 1.96;
/**
 * The correction for selection is itself uncertain: this share of its square adds to the variance. Found with `bench:accuracy`, where
 * intervals without it contain the true value in only 90 % of 200 shuffles of 200 samples.
 */
const CORRECTION_VARIANCE = 0.5;

/** The basis of an estimate. */
export interface Evidence {
  readonly samples: number;
  /** Variance of answer quality, as a share of the most that its mean allows: 1 if answers are right or wrong. */
  readonly spread: number;
}

/** `Evidence.spread` of some answers. */
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
 * Wilson's score interval, with the sample size reduced to account for the uncertainty of the correction.
 * @param accuracy corrected for selection.
 * @param measured before the correction.
 */
export function estimateOf(accuracy: number, measured: number, { samples, spread }: Evidence): AccuracyEstimate {
  // Adds two right and two wrong answers (Agresti and Coull), so that the variance is never zero.
  const near = (accuracy * samples + 2) / (samples + 4);
  const variance = near * (1 - near);
  const n = variance / ((spread * variance) / samples + CORRECTION_VARIANCE * (measured - accuracy) ** 2);
  const center = (accuracy + (Z * Z) / (2 * n)) / (1 + (Z * Z) / n);
  const half = (Z / (1 + (Z * Z) / n)) * Math.sqrt((accuracy * (1 - accuracy)) / n + (Z * Z) / (4 * n * n));
  return { accuracy, interval: [Math.max(0, center - half), Math.min(1, center + half)] };
}

/** Estimate of a weighted mean; weights sum to 1. Estimates from the same samples err together, so the interval does not shrink. */
export function weightedMean(estimates: readonly AccuracyEstimate[], weights: readonly number[]): AccuracyEstimate {
  const mean = (of: (estimate: AccuracyEstimate) => number): number =>
    estimates.reduce((sum, estimate, i) => sum + weights[i] * of(estimate), 0);
  return { accuracy: mean((e) => e.accuracy), interval: [mean((e) => e.interval[0]), mean((e) => e.interval[1])] };
}
