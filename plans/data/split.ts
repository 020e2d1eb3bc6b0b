import { createHash } from 'node:crypto';
import { createRandom } from '../../engine/random.ts';
import { shuffled } from './shuffled.ts';

/** `shuffled`: any sample may go to either part. `time`: the first samples are the past, on which plans are based. */
export type SampleOrder = 'shuffled' | 'time';

/** Which samples are for planning, and which are left for testing: indices into the data. */
export interface Split {
  readonly validation: Int32Array;
  /** May be empty. */
  readonly rest: Int32Array;
}

/** Fixed, so that all readers of the same data split it the same way. */
const SEED = 'validation';

/**
 * Splits samples into `round(fraction * count)`, at least one, for validation, and the rest. Shuffled samples are stratified: every
 * stretch of both parts has about the same mix of classes, so a file sorted by class splits like any other.
 * @param classes of the samples; undefined: nothing to stratify by.
 */
export function splitSamples(count: number, fraction: number, order: SampleOrder, classes: ArrayLike<number> | undefined): Split {
  const ordered = order === 'time' ? allSamples(count) : stratifiedOrder(count, classes);
  const size = Math.min(count, Math.max(1, Math.round(count * fraction)));
  return { validation: ordered.subarray(0, size), rest: ordered.subarray(size) };
}

/** Identifies a split: a profile holds the answers to the validation samples in this order. */
export function splitDigest({ validation }: Pick<Split, 'validation'>): string {
  return createHash('sha256')
    .update(new Uint8Array(validation.buffer, validation.byteOffset, validation.byteLength))
    .digest('hex');
}

/** All samples, in order. */
export function allSamples(count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => i);
}

/** Shuffled, with each class spread evenly from the first sample to the last (systematic sampling with a random start). */
function stratifiedOrder(count: number, classes: ArrayLike<number> | undefined): Int32Array {
  const random = createRandom(SEED);
  const order = shuffled(count, random.split('order'));
  if (classes === undefined) return order;
  const starting = random.split('starts');
  const sizes = new Map<number, number>();
  for (let i = 0; i < count; i++) sizes.set(classes[i], (sizes.get(classes[i]) ?? 0) + 1);
  const starts = new Map([...sizes.keys()].sort((a, b) => a - b).map((name) => [name, starting.next()]));
  const seen = new Map<number, number>();
  const position = new Float64Array(count);
  for (const i of order) {
    const rank = seen.get(classes[i]) ?? 0;
    seen.set(classes[i], rank + 1);
    position[i] = (rank + starts.get(classes[i])!) / sizes.get(classes[i])!;
  }
  // Stable, so the shuffle decides between equal positions.
  return order.sort((a, b) => position[a] - position[b]);
}
