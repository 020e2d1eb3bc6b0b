/**
 * Quality per model and sample as bitsets, so that the quality of any set of samples is a few population counts.
 * A quality is counted in steps of `1 / steps`; plane p of a model holds binary digit p of each sample's count.
 */
export interface QualityPlanes {
  readonly steps: number;
  /** False when qualities had to be rounded to steps: sums over planes are then estimates. */
  readonly exact: boolean;
  /** Per model, lowest digit first; a single plane when every answer is either right or wrong. */
  readonly planes: readonly (readonly Uint32Array[])[];
}

/** Eight planes round a quality by at most 0.2 %, and its mean over many samples by far less. */
const MOST_STEPS = 255;
/** Tolerance, as a fraction of a step: float32 does not represent thirds exactly. */
const ROUNDING = 1e-4;

/** @param quality per model and sample, in [0, 1]. */
export function qualityPlanes(quality: readonly Float32Array[], words: number): QualityPlanes {
  const found = exactSteps(quality);
  const steps = found ?? MOST_STEPS;
  const digits = 32 - Math.clz32(steps);
  const planes = quality.map((values) => {
    const own = Array.from({ length: digits }, () => new Uint32Array(words));
    for (let i = 0; i < values.length; i++) {
      const count = Math.round(values[i] * steps);
      for (let p = 0; p < digits; p++) own[p][i >>> 5] |= ((count >>> p) & 1) << (i & 31);
    }
    return own;
  });
  return { steps, exact: found !== undefined, planes };
}

/** The coarsest steps of which all qualities are multiples. */
function exactSteps(quality: readonly Float32Array[]): number | undefined {
  // There are usually few distinct values, so we test those rather than every sample.
  const distinct = new Set<number>();
  for (const values of quality) for (const value of values) if (distinct.size <= MOST_STEPS + 1) distinct.add(value);
  if (distinct.size > MOST_STEPS + 1) return undefined;
  const fits = (steps: number): boolean => {
    for (const value of distinct) if (Math.abs(value * steps - Math.round(value * steps)) > ROUNDING) return false;
    return true;
  };
  for (let steps = 1; steps <= MOST_STEPS; steps++) if (fits(steps)) return steps;
  return undefined;
}
