import { samplingNoise, total, totalVariation } from './distance.ts';

export interface DriftSettings {
  /** Total variation beyond which the load is not the planned one any more. */
  readonly qpsBound: number;
  /** Total variation beyond which a model is not as certain as on the validation samples any more. */
  readonly certaintyBound: number;
  /** Observations below which nothing is said: seconds of load, samples of a model. */
  readonly minSamples: number;
}

/** How far what is measured is from what was planned for. */
export interface DriftMeasure {
  readonly observations: number;
  /** Total variation, 0 to 1; null while there are too few observations. */
  readonly distance: number | null;
  /** What is called drift: the configured bound, and the distance that so few observations have by chance. */
  readonly bound: number;
  readonly drifted: boolean;
}

/** A drift ends well below where it begins, so that it is not told over and over. */
const ENDS_AT = 0.8;

/** @param before whether it was called drift until now. */
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
