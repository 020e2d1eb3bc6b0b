import type { Backend, BatchOutput } from '../../engine/backend/backend.ts';
import { ConfigError } from '../../engine/errors.ts';
import type { LabelledData } from '../data/labelled-data.ts';
import { argmax } from '../domain/cascade/certainty.ts';
import type { SampleSizes } from '../domain/profile/profile.ts';
import { median } from './curve.ts';
import { runBatch } from './run-batch.ts';
import { batchesOf, positionsInBatches } from './validation-batches.ts';

/**
 * Rounding depends on the batch size, because sums are evaluated in another order: by about 1e-6 of the scores in float32, and 1e-3 in
 * half precision. A model that quantises dynamically, or couples its samples, differs by far more.
 */
const TOLERANCE = 2e-3;
const SAMPLES = { full: 256, quick: 64 };
const SEED = 'batchKey';

/**
 * Runs validation samples alone, and twice in batches such as serving may form, in different orders.
 * @throws ConfigError when answers depend on the other samples in the batch, with figures and what to do.
 */
export async function checkBatchIndependence(
  backend: Backend,
  model: string,
  data: Pick<LabelledData, 'specs' | 'validation' | 'sample'>,
  sizes: SampleSizes | undefined,
  largest: number,
  effort: 'full' | 'quick',
): Promise<void> {
  if (largest === 1) return;
  const positions = positionsInBatches(data.validation.length, sizes, SAMPLES[effort], SEED);
  const run = (batch: readonly number[]): Promise<BatchOutput> => {
    const indices = batch.map((position) => data.validation[position]);
    return runBatch(
      backend,
      model,
      indices.map((index) => data.sample(index)),
      indices,
    );
  };
  const alone = new Map<number, BatchOutput>();
  for (const position of positions) alone.set(position, await run([position]));
  const tolerance = TOLERANCE * typicalScale([...alone.values()]);
  const differing = new Map<number, Difference>();
  let compared = 0;
  for (const [order, size] of [
    [positions, largest],
    [positions.toReversed(), Math.max(2, largest >> 1)],
  ] as const) {
    for (const cut of batchesOf(order, sizes, size)) {
      // A sample with no compatible one is paired with itself, which also reveals a softmax over the batch.
      const batch = cut.length === 1 ? [cut[0], cut[0]] : cut;
      const together = await run(batch);
      compared += batch.length;
      batch.forEach((position, row) => {
        const difference = differenceOf(alone.get(position)!, together, row, tolerance);
        if (difference !== undefined) differing.set(position, difference);
      });
    }
  }
  if (differing.size > 0) throw new ConfigError(describe(model, data, sizes, positions.length, differing, compared));
}

interface Difference {
  readonly largest: number;
  readonly labels: readonly [number, number];
}

/** Median over samples of the largest score: rounding is small relative to it, whether scores are probabilities or around 1e-4. */
function typicalScale(outputs: readonly BatchOutput[]): number {
  return median(
    outputs.map(({ scores }) => scores.reduce((most, s) => (Number.isFinite(s) ? Math.max(most, Math.abs(s)) : most), 0)),
  );
}

/** @param tolerance largest difference due to rounding, for typical scores; larger for samples with larger scores. */
function differenceOf(alone: BatchOutput, together: BatchOutput, row: number, tolerance: number): Difference | undefined {
  const { classes } = alone;
  if (together.classes !== classes) return { largest: Number.POSITIVE_INFINITY, labels: [0, 0] };
  let largest = 0;
  let scale = 0;
  for (let c = 0; c < classes; c++) {
    const [a, b] = [alone.scores[c], together.scores[row * classes + c]];
    if (Number.isNaN(a) !== Number.isNaN(b)) largest = Number.POSITIVE_INFINITY;
    else if (a !== b && !Number.isNaN(a)) largest = Math.max(largest, Math.abs(a - b));
    if (Number.isFinite(a)) scale = Math.max(scale, Math.abs(a));
  }
  if (largest <= Math.max(tolerance, TOLERANCE * scale)) return undefined;
  return { largest, labels: [argmax(alone.scores, 0, classes), argmax(together.scores, row * classes, classes)] };
}

function describe(
  model: string,
  data: Pick<LabelledData, 'specs' | 'validation'>,
  sizes: SampleSizes | undefined,
  samples: number,
  differing: ReadonlyMap<number, Difference>,
  compared: number,
): string {
  const other = [...differing.values()].filter(({ labels: [a, b] }) => a !== b).length;
  const [position, { largest, labels }] = [...differing].toSorted(([, a], [, b]) => b.largest - a.largest)[0];
  const figures =
    `model ${model}: answers depend on what else is in the batch: ${differing.size} of ${samples} samples have different scores in a batch than alone ` +
    `(${compared} comparisons), ${other} of them a different label; the largest difference is ${largest.toPrecision(3)}, at sample ${data.validation[position]}` +
    `${labels[0] === labels[1] ? '' : `: label ${labels[0]} alone, ${labels[1]} in a batch`}`;
  const padded = sizes === undefined ? [] : data.specs.filter(({ pad, shape }) => pad !== undefined && shape.includes(null));
  if (padded.length > 0) {
    return (
      `${figures}; padding changes them: remove \`pad\` from ${padded.map(({ name }) => name).join(', ')}, so that only samples of equal shape share a batch, ` +
      'or export the model with a mask as an input'
    );
  }
  return (
    `${figures}; the model couples the samples of a batch, for example by a softmax or normalisation over the first axis, or by quantising the batch as a whole: ` +
    'export it without that, or set `maxBatch: 1` for it'
  );
}
