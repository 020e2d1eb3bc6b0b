import { createRandom } from '../../engine/random.ts';
import type { Sample, TensorSpec } from '../../engine/tensor/tensor.ts';
import type { LabelledData } from '../data/labelled-data.ts';
import { shuffled } from '../data/shuffled.ts';
import type { SampleSizes } from '../domain/profile/profile.ts';
import { batchKeyRule, sampleSize } from '../policy/batch-key.ts';

/** Sizes of the validation samples; undefined for a family whose samples all have the same shape. */
export function sampleSizesOf(data: Pick<LabelledData, 'specs' | 'validation' | 'sample'>): SampleSizes | undefined {
  const [batchKeyOf, sizeOf] = [batchKeyRule(data.specs), sampleSize(data.specs)];
  if (batchKeyOf === undefined || sizeOf === undefined) return undefined;
  const numbers = new Map<string, number>();
  const batchKey = data.validation.map((index) => {
    const name = batchKeyOf(data.sample(index));
    const number = numbers.get(name) ?? numbers.size;
    numbers.set(name, number);
    return number;
  });
  return { batchKey, size: data.validation.map((index) => sizeOf(data.sample(index))) };
}

/**
 * Splits positions of validation samples into batches as serving would, each of compatible samples.
 * @param positions in the order in which they arrive.
 */
export function batchesOf(positions: Iterable<number>, sizes: SampleSizes | undefined, largest: number): number[][] {
  const batches: number[][] = [];
  const open = new Map<number, number[]>();
  for (const position of positions) {
    const batchKey = sizes?.batchKey[position] ?? 0;
    let batch = open.get(batchKey);
    if (batch === undefined || batch.length === largest) {
      batch = [];
      batches.push(batch);
      open.set(batchKey, batch);
    }
    batch.push(position);
  }
  return batches;
}

/** Number of compatible samples to draw together, if there are that many. */
const LEAST_TOGETHER = 4;

/**
 * Positions of samples, many of which may share batches, drawn at random but always the same. With many different sizes, a plain draw
 * would hardly contain two compatible ones.
 * @param most number of positions, at most.
 */
export function positionsInBatches(count: number, sizes: SampleSizes | undefined, most: number, seed: string): number[] {
  const batchKeys = new Map<number, number[]>();
  for (const position of shuffled(count, createRandom(seed))) {
    const batchKey = sizes?.batchKey[position] ?? 0;
    const members = batchKeys.get(batchKey);
    if (members === undefined) batchKeys.set(batchKey, [position]);
    else members.push(position);
  }
  const each = Math.max(LEAST_TOGETHER, Math.ceil(most / batchKeys.size));
  const drawn = [...batchKeys.values()].map((members) => members.slice(0, each));
  return [...drawn.filter(({ length }) => length > 1), ...drawn.filter(({ length }) => length === 1)].flat().slice(0, most);
}

/** A batch for measuring: if samples differ in size, copies of one. */
export function measuringBatch(specs: readonly TensorSpec[], sampleAt: (i: number) => Sample, batch: number): Sample[] {
  if (sampleSize(specs) === undefined) return Array.from({ length: batch }, (_, i) => sampleAt(i));
  return new Array<Sample>(batch).fill(sampleAt(0));
}
