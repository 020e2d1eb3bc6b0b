import { of } from 'rxjs';
import { expect, test } from 'vitest';
import type { Backend } from '../../../engine/backend/backend.ts';
import type { Sample, TensorSpec } from '../../../engine/tensor.ts';
import { checkCompany } from '../../../plans/profiling/check-company.ts';
import { sampleSizesOf } from '../../../plans/profiling/validation-batches.ts';

/** Samples of 1 to 8 numbers; sample i begins with i. */
function dataOf(pad?: number) {
  const specs: TensorSpec[] = [{ name: 'ids', dtype: 'uint8', shape: [null], pad }];
  return {
    specs,
    validation: Int32Array.from({ length: 100 }, (_, i) => i),
    sample: (i: number): Sample => [{ data: Uint8Array.from({ length: 1 + (i % 8) }, () => i), shape: [1 + (i % 8)] }],
  };
}

/** Two scores per sample, as a function of the batch says. */
function backendOf(scores: (batch: readonly Sample[], row: number) => [number, number]): Backend {
  return {
    emulated: false,
    load: () => of({ inputs: [], outputs: [] }),
    unload: () => of(),
    close: async () => undefined,
    run: (_, batch) =>
      of({
        scores: Float32Array.from(batch.flatMap((_, row) => scores(batch, row))),
        classes: 2,
        certainty: undefined,
        computeMs: 1,
      }),
  };
}

const check = (scores: Parameters<typeof backendOf>[0], data = dataOf(), largest = 8) =>
  checkCompany(backendOf(scores), 'm', data, sampleSizesOf(data), largest, 'full');

test('answers that depend on the sample alone pass, also with rounding and without a number', async () => {
  const own = (batch: readonly Sample[], row: number): [number, number] => [batch[row][0].data[0], 50 + 1e-5 * batch.length];
  await expect(check(own)).resolves.toBeUndefined();
  await expect(check(() => [Number.NaN, Number.NEGATIVE_INFINITY])).resolves.toBeUndefined();
});

test('a model that couples the samples of a batch is refused with figures, an example and what to do', async () => {
  const coupled = (batch: readonly Sample[]): [number, number] => [batch.length > 1 ? 0.2 : 0.9, 0.5];
  await expect(check(coupled)).rejects.toThrow(
    /^model m: answers depend on what else is in the batch: \d+ of 100 samples get other scores in company than alone \(\d+ comparisons\), (\d+) of them another label; the largest difference is 0\.700, at sample \d+: label 0 alone, 1 in a batch; the model couples .* write `maxBatch: 1` for it$/,
  );
  await expect(check(coupled, dataOf(), 1)).resolves.toBeUndefined();
});

test('a model that minds padding is refused where padding is declared, and only there', async () => {
  const longest = (batch: readonly Sample[]): [number, number] => [Math.max(...batch.map(([{ shape }]) => shape[0])), 4.5];
  await expect(check(longest)).resolves.toBeUndefined();
  await expect(check(longest, dataOf(0))).rejects.toThrow(
    /padding changes them: remove `pad` of ids, so that only samples of equal shape/,
  );
});
