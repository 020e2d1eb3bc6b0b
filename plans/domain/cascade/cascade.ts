import type { Profile } from '../profile/profile.ts';
import { NO_NUMBER } from './certainty.ts';
import { type QualityPlanes, qualityPlanes } from './quality-planes.ts';

/** A cascade and what the validation records say about it (CascadeServe §2.1). Models by number, in family order. */
export interface Cascade {
  /** Identifies the cascade: equal keys mean equal cascades. */
  readonly key: string;
  readonly models: readonly number[];
  /** Per model but the last: answers at least this certain are final. */
  readonly thresholds: readonly number[];
  /** Mean quality of its answers. */
  readonly accuracy: number;
  /** Per stage: fraction of all samples that reach it; 1 for the first. */
  readonly reach: readonly number[];
}

/** Validation records in the form that cascade arithmetic works on. */
export interface ValidationRecords extends QualityPlanes {
  readonly samples: number;
  /** Number of 32-bit words in a bitset over the samples. */
  readonly words: number;
  /** Per model and sample, in [0, 1]. */
  readonly quality: readonly Float32Array[];
  /** Per model and sample. */
  readonly certainty: readonly Float32Array[];
  /** Per model: its certainties in ascending order, for quantiles. */
  readonly sorted: readonly Float32Array[];
}

/** The part of a profile that determines the accuracy of its cascades. */
export interface RecordedFamily {
  readonly models: readonly Pick<Profile['models'][number], 'quality' | 'certainties'>[];
}

export function validationRecords({ models }: RecordedFamily): ValidationRecords {
  const quality = models.map((model) => model.quality);
  const samples = quality[0].length;
  const words = Math.ceil(samples / 32);
  const certainty = models.map((model) => model.certainties);
  return {
    samples,
    words,
    quality,
    ...qualityPlanes(quality, words),
    certainty,
    sorted: certainty.map((values) => values.toSorted()),
  };
}

/** Records restricted to some of the samples. */
export function recordsAt({ models }: RecordedFamily, samples: Int32Array): ValidationRecords {
  return validationRecords({
    models: models.map(({ quality, certainties }) => ({
      quality: Float32Array.from(samples, (i) => quality[i]),
      certainties: Float32Array.from(samples, (i) => certainties[i]),
    })),
  });
}

/** Identifies a cascade, with thresholds as written in the plan file. */
export function cascadeKey(models: readonly number[], thresholds: readonly number[]): string {
  return models.map((model, s) => (s < thresholds.length ? `${model}<${thresholds[s]}` : `${model}`)).join(' ');
}

/** Runs a cascade over the validation samples, one by one. A sample is certain at `certainty >= threshold`, as when serving. */
export function evaluateCascade(records: ValidationRecords, models: readonly number[], thresholds: readonly number[]): Cascade {
  const { samples } = records;
  const reach: number[] = [];
  let alive = samples;
  let qualitySum = 0;
  let members: Int32Array | undefined;
  for (let s = 0; s < models.length; s++) {
    reach.push(alive / samples);
    const certainty = records.certainty[models[s]];
    const quality = records.quality[models[s]];
    const threshold = thresholds[s] ?? Number.NEGATIVE_INFINITY;
    const uncertain = new Int32Array(alive);
    let count = 0;
    for (let k = 0; k < alive; k++) {
      const i = members === undefined ? k : members[k];
      if (certainty[i] < threshold) uncertain[count++] = i;
      else qualitySum += quality[i];
    }
    members = uncertain;
    alive = count;
  }
  return { key: cascadeKey(models, thresholds), models, thresholds, accuracy: qualitySum / samples, reach };
}

/**
 * The same by population counts, for many cascades that share thresholds. Exact if the planes are.
 * @param uncertain per model but the last: the samples on which it is less certain than its threshold.
 */
export function evaluateOnBits(
  { samples, words, planes, steps }: ValidationRecords,
  models: readonly number[],
  thresholds: readonly number[],
  uncertain: readonly Uint32Array[],
): Cascade {
  // Bits beyond the last sample are set here, but neither in any plane nor in the bits of any threshold.
  const alive = new Uint32Array(words).fill(0xffffffff);
  const reach = [1];
  let qualitySteps = 0;
  models.forEach((model, s) => {
    const last = s === thresholds.length;
    planes[model].forEach((plane, p) => {
      let count = 0;
      for (let w = 0; w < words; w++) count += popcount(alive[w] & plane[w] & (last ? -1 : ~uncertain[s][w]));
      qualitySteps += count * 2 ** p;
    });
    if (last) return;
    let count = 0;
    for (let w = 0; w < words; w++) {
      alive[w] &= uncertain[s][w];
      count += popcount(alive[w]);
    }
    reach.push(count / samples);
  });
  return { key: cascadeKey(models, thresholds), models, thresholds, accuracy: qualitySteps / steps / samples, reach };
}

/** Quality of the answer that a cascade gives to each sample. */
export function qualityBySample(
  records: ValidationRecords,
  models: readonly number[],
  thresholds: readonly number[],
): Float32Array {
  return Float32Array.from({ length: records.samples }, (_, i) => {
    const stage = models.findIndex((model, s) => !(records.certainty[model][i] < (thresholds[s] ?? Number.NEGATIVE_INFINITY)));
    return records.quality[models[stage]][i];
  });
}

/** Six significant digits, because people read and diff thresholds. Rounding first means that we evaluate what we write. */
function readableThreshold(value: number): number {
  return Number(value.toPrecision(6));
}

/**
 * The threshold below which about `fraction` of a model's validation samples are uncertain. Quantiles instead of even
 * spacing: certainties crowd near 1, and even steps would skip most of the trade-off there.
 */
export function thresholdAtQuantile(records: ValidationRecords, model: number, fraction: number): number {
  const sorted = records.sorted[model];
  // Answers that are not numbers come first; no threshold is that low.
  const first = sorted.findIndex((certainty) => certainty !== NO_NUMBER);
  if (first === -1) return 1;
  return readableThreshold(sorted[Math.min(sorted.length - 1, Math.max(first, Math.round(fraction * sorted.length)))]);
}

/** Bits of the samples on which a model is less certain than the threshold. */
export function uncertainBits(records: ValidationRecords, model: number, threshold: number): Uint32Array {
  const bits = new Uint32Array(records.words);
  const certainty = records.certainty[model];
  // No branch: it would be mispredicted for every other sample.
  for (let i = 0; i < records.samples; i++) bits[i >>> 5] |= Number(certainty[i] < threshold) << (i & 31);
  return bits;
}

export function popcount(word: number): number {
  let v = word - ((word >>> 1) & 0x55555555);
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
