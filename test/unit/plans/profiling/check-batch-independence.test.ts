import { of } from 'rxjs';
import { expect, test } from 'vitest';
import type { Backend } from '../../../../engine/backend/backend.ts';
import type { Sample, TensorSpec } from '../../../../engine/tensor/tensor.ts';
import { checkBatchIndependence } from '../../../../plans/profiling/check-batch-independence.ts';
import { sampleSizesOf } from '../../../../plans/profiling/validation-batches.ts';

/** Samples of 1 to 8 numbers; sample i begins with i. */
function dataOf(pad?: number) {
  const specs: TensorSpec[] = [{ name: 'ids', dtype: 'uint8', shape: [null], pad }];
  return {
    specs,
    validation: Int32Array.from({ length: 100 }, (_, i) => i),
    sample: (i: number): Sample => [{ data: Uint8Array.from({ length: 1 + (i % 8) }, () => i), shape: [1 + (i % 8)] }],
  };
}

/** Samples of lengths 1 to `lengths`; samples of the same length differ in content. */
function lengthsOf(count: number, lengths: number) {
  return {
    ...dataOf(),
    validation: Int32Array.from({ length: count }, (_, i) => i),
    sample: (i: number): Sample => {
      const length = 1 + (i % lengths);
      return [{ data: new Uint8Array(length).fill(Math.floor(i / lengths)), shape: [length] }];
    },
  };
}

/** Two scores per sample, from a function of the batch. */
function backendOf(
  scores: (batch: readonly Sample[], row: number) => [number, number],
  certainty?: (batch: readonly Sample[]) => number,
): Backend {
  return {
    emulated: false,
    load: () => of({ inputs: [], outputs: [] }),
    unload: () => of(),
    close: async () => undefined,
    run: (_, batch) =>
      of({
        scores: Float32Array.from(batch.flatMap((_, row) => scores(batch, row))),
        classes: 2,
        auxiliary: certainty && Float32Array.from(batch, () => certainty(batch)),
        computeMs: 1,
      }),
  };
}

const check = (scores: Parameters<typeof backendOf>[0], data = dataOf(), largest = 8, effort: 'full' | 'quick' = 'full') =>
  checkBatchIndependence(backendOf(scores), 'm', data, sampleSizesOf(data), largest, effort);

test('answers that depend only on the sample pass, even with rounding errors or NaN', async () => {
  const own = (batch: readonly Sample[], row: number): [number, number] => [batch[row][0].data[0], 50 + 1e-5 * batch.length];
  await expect(check(own)).resolves.toBeUndefined();
  await expect(check(() => [Number.NaN, Number.NEGATIVE_INFINITY])).resolves.toBeUndefined();
});

test('a model whose answers depend on other samples in the batch is refused, with figures, an example and what to do', async () => {
  const coupled = (batch: readonly Sample[]): [number, number] => [batch.length > 1 ? 0.2 : 0.9, 0.5];
  await expect(check(coupled)).rejects.toThrow(
    /^model m: answers depend on what else is in the batch: \d+ of 100 samples have different scores in a batch than alone \(\d+ comparisons\), (\d+) of them a different label; the largest difference is 0\.700, at sample \d+: label 0 alone, 1 in a batch; the model couples .* set `maxBatch: 1` for it$/,
  );
  await expect(check(coupled, dataOf(), 1)).resolves.toBeUndefined();
});

test('a model that is sensitive to padding is refused if padding is declared, and only then', async () => {
  const longest = (batch: readonly Sample[]): [number, number] => [Math.max(...batch.map(([{ shape }]) => shape[0])), 4.5];
  await expect(check(longest)).resolves.toBeUndefined();
  await expect(check(longest, dataOf(0))).rejects.toThrow(
    /padding changes them: remove `pad` from ids, so that only samples of equal shape/,
  );
});

test('scores are compared at their own scale, however small', async () => {
  const coupled = (batch: readonly Sample[]): [number, number] => [batch.length > 1 ? 2e-4 : 9e-4, 5e-4];
  await expect(check(coupled)).rejects.toThrow(/label 0 alone, 1 in a batch/);
  const rounding = (batch: readonly Sample[]): [number, number] => [9e-4 + 1e-9 * batch.length, 5e-4];
  await expect(check(rounding)).resolves.toBeUndefined();
});

test('a sample whose scores nearly cancel out gets the same tolerance as the others', async () => {
  const near = (batch: readonly Sample[], row: number): [number, number] =>
    batch[row][0].data[0] === 7 ? [1e-6 * batch.length, -1e-6] : [50, 20];
  await expect(check(near)).resolves.toBeUndefined();
});

test('samples of hundreds of lengths are each compared with others of the same length', async () => {
  const data = lengthsOf(1_600, 400);
  const mean = (batch: readonly Sample[]): [number, number] => [
    batch.some((s) => s[0].data[0] !== batch[0][0].data[0]) ? 0.2 : 0.9,
    0.5,
  ];
  await expect(check(mean, data, 8, 'quick')).rejects.toThrow(/64 of 64 samples/);
});

test('a model that couples the batch is also found if no two samples have the same length', async () => {
  const softmax = (batch: readonly Sample[]): [number, number] => [1 / batch.length, 0.7];
  await expect(check(softmax, lengthsOf(50, 50))).rejects.toThrow(/50 of 50 samples/);
});

test.each([1, 8])('a model with random answers is called that, at batch sizes up to %d', async (largest) => {
  let calls = 0;
  await expect(check(() => [0, calls++], dataOf(), largest)).rejects.toThrow(
    /^model m: answers are random: 32 of 32 samples have different scores when run again, alone; .* at sample \d+; .*model\.eval\(\)/,
  );
});

test('a certainty that the model outputs may not depend on the batch either', async () => {
  const backend = backendOf(
    () => [0, 1],
    (batch) => 1 / batch.length,
  );
  const data = dataOf();
  await expect(checkBatchIndependence(backend, 'm', data, sampleSizesOf(data), 8, 'full')).rejects.toThrow(
    /100 of 100 samples have different scores in a batch than alone/,
  );
});
