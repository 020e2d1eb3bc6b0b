import { describe, expect, it } from 'vitest';
import type { Sample, TensorSpec } from '../../../../engine/tensor/tensor.ts';
import { decodeWarmUp, encodeWarmUp, warmUpSamples } from '../../../../plans/profiling/warm-up.ts';

const ids: TensorSpec = { name: 'ids', dtype: 'uint8', shape: [null], pad: 0 };
const sample = (length: number): Sample => [{ data: new Uint8Array(length).fill(7), shape: [length] }];

describe('warm-up samples', () => {
  it('are one of typical size and one of the largest', () => {
    expect(warmUpSamples([9, 1, 3, 2, 4].map(sample))).toEqual([sample(3), sample(9)]);
  });

  it('are a single one if all have the same size', () => {
    expect(warmUpSamples([sample(4), sample(4)])).toEqual([sample(4)]);
  });

  it('read back as they were written', () => {
    const samples = [sample(3), sample(9)];
    expect(decodeWarmUp(encodeWarmUp(samples), [ids])).toEqual(samples);
  });

  it('are zeros of the same shape if they are large, which keeps profiles small', () => {
    const large = sample(2 ** 20 + 1);
    const encoded = encodeWarmUp([large]);
    expect(JSON.stringify(encoded).length).toBeLessThan(100);
    const [[{ data, shape }]] = decodeWarmUp(encoded, [ids])!;
    expect(shape).toEqual([2 ** 20 + 1]);
    expect(data.length).toBe(2 ** 20 + 1);
    expect(data.some((byte) => byte !== 0)).toBe(false);
  });

  it.each<[string, Sample]>([
    ['another rank', [{ data: new Uint8Array(4), shape: [2, 2] }]],
    ['another number of bytes', [{ data: new Uint8Array(4), shape: [5] }]],
    ['another number of inputs', []],
  ])('with %s than the inputs have are refused', (_, wrong) => {
    expect(decodeWarmUp(encodeWarmUp([wrong]), [ids])).toBeUndefined();
  });
});
