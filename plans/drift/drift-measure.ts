import { samplingNoise, total, totalVariation } from './distance.ts';

export interface DriftSettings {
  /** Total variation beyond which the load counts as different from the planned one. */
  readonly qpsBound: number;
  /** Total variation beyond which a model's certainty counts as different from that on the validation samples. */
  readonly certaintyBound: number;
  /** Minimum observations before reporting: seconds of load, or samples of a model. */
  readonly minSamples: number;
}

/** How far measurements are from the plan. */
export interface DriftMeasure {
  readonly observations: number;
  /** Total variation, 0 to 1; null while there are too few observations. */
  readonly distance: number | null;
  /** Distance from which on it is drift: the configured bound, plus what so few observations differ by chance. */
  readonly bound: number;
  readonly drifted: boolean;
}

/** Drift ends well below the level at which it starts, so that it is not reported over and over. */
const ENDS_AT = 0.8;

/** @param before whether it was drift until now. */
export function driftMeasure(
  measured: ArrayLike<number>,
  expected: ArrayLike<number>,
  bound: number,
  minSamples: number,
  before: boolean,
): DriftMeasure {
  const observations = total(measured);
  const enough = observations >= minSamples && total(expected) > 0;
  if (!enough) return { observations, distance: null, bound, drifted: false };
  const distance = totalVariation(measured, expected);
  const limit = bound + samplingNoise(expected, observations);
  return { observations, distance, bound: limit, drifted: distance > (before ? ENDS_AT * limit : limit) };
}
