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
/** Samples that are run twice alone: nearly all of them differ if answers are random. */
const AGAIN = 32;
const SEED = 'batchKey';

/**
 * Runs validation samples alone, some of them again, and then twice in batches such as serving may form, in different orders.
 * @throws ConfigError when answers are random or depend on the other samples in the batch, with figures and what to do.
 */
export async function checkBatchIndependence(
  backend: Backend,
  model: string,
  data: Pick<LabelledData, 'specs' | 'validation' | 'sample'>,
  sizes: SampleSizes | undefined,
  largest: number,
  effort: 'full' | 'quick',
): Promise<void> {
  const drawn = positionsInBatches(data.validation.length, sizes, SAMPLES[effort], SEED);
  const positions = largest === 1 ? drawn.slice(0, AGAIN) : drawn;
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
  const tolerance = tolerances([...alone.values()]);
  const differing = new Map<number, Difference>();
  const again = positions.slice(0, AGAIN);
  for (const position of again) compare(position, await run([position]), 0);
  if (differing.size > 0) throw new ConfigError(describeRandom(model, data, again.length, differing));
  if (largest === 1) return;
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
      for (const [row, position] of batch.entries()) compare(position, together, row);
    }
  }
  if (differing.size > 0) throw new ConfigError(describe(model, data, sizes, positions.length, differing, compared));

  function compare(position: number, other: BatchOutput, row: number): void {
    const difference = differenceOf(alone.get(position)!, other, row, tolerance);
    if (difference !== undefined) differing.set(position, difference);
  }
}

interface Difference {
  readonly largest: number;
  readonly labels: readonly [number, number];
}

/** What answers are made of: scores, and certainties if the model outputs them. Row-major. */
function partsOf({ scores, auxiliary, classes }: BatchOutput): readonly { values: Float32Array; columns: number }[] {
  const part = { values: scores, columns: classes };
  return auxiliary === undefined ? [part] : [part, { values: auxiliary, columns: (auxiliary.length / scores.length) * classes }];
}

/**
 * Largest difference due to rounding, for each part of the answers: relative to the median over samples of the largest value, whether
 * scores are probabilities or around 1e-4.
 */
function tolerances(outputs: readonly BatchOutput[]): readonly number[] {
  return partsOf(outputs[0]).map((_, part) => TOLERANCE * median(outputs.map((output) => scaleOf(partsOf(output)[part].values))));
}

function scaleOf(values: Float32Array): number {
  return values.reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 0);
}

/** @param tolerance of each part, for typical values; larger for samples with larger ones. */
function differenceOf(alone: BatchOutput, other: BatchOutput, row: number, tolerance: readonly number[]): Difference | undefined {
  const others = partsOf(other);
  const { classes } = alone;
  for (const [p, { values, columns }] of partsOf(alone).entries()) {
    if (others[p].columns !== columns) return { largest: Number.POSITIVE_INFINITY, labels: [0, 0] };
    let largest = 0;
    for (let c = 0; c < columns; c++) {
      const [a, b] = [values[c], others[p].values[row * columns + c]];
      if (Number.isNaN(a) !== Number.isNaN(b)) largest = Number.POSITIVE_INFINITY;
      else if (a !== b && !Number.isNaN(a)) largest = Math.max(largest, Math.abs(a - b));
    }
    if (largest > Math.max(tolerance[p], TOLERANCE * scaleOf(values)))
      return { largest, labels: [argmax(alone.scores, 0, classes), argmax(other.scores, row * classes, classes)] };
  }
  return undefined;
}

function describeRandom(
  model: string,
  { validation }: Pick<LabelledData, 'validation'>,
  samples: number,
  differing: ReadonlyMap<number, Difference>,
): string {
  const [position, { largest }] = largestOf(differing);
  return (
    `model ${model}: answers are random: ${differing.size} of ${samples} samples have different scores when run again, alone; ` +
    `the largest difference is ${largest.toPrecision(3)}, at sample ${validation[position]}; export the model for inference ` +
    '(in PyTorch, call model.eval() first: a model in training mode keeps its dropout), or without its random nodes'
  );
}

function largestOf(differing: ReadonlyMap<number, Difference>): [number, Difference] {
  return [...differing].toSorted(([, a], [, b]) => b.largest - a.largest)[0];
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
  const [position, { largest, labels }] = largestOf(differing);
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
