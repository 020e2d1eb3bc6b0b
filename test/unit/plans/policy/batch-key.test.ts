import { describe, expect, test } from 'vitest';
import type { Sample, TensorSpec } from '../../../../engine/tensor/tensor.ts';
import { batchKeyRule, sampleSize } from '../../../../plans/policy/batch-key.ts';

const spec = (shape: readonly (number | null)[], pad?: number): TensorSpec => ({ name: 'x', dtype: 'uint8', shape, pad });
const sample = (...shapes: number[][]): Sample => shapes.map((shape) => ({ data: new Uint8Array(0), shape }));

test('samples of one shape need no rule', () => {
  expect(batchKeyRule([spec([3, 4])])).toBeUndefined();
  expect(sampleSize([spec([3, 4])])).toBeUndefined();
});

describe('without padding, samples share a batch if and only if their shapes are equal', () => {
  const rule = batchKeyRule([spec([2]), spec([null, 4])])!;

  test.each([
    [[5, 4], [5, 4], true],
    [[5, 4], [6, 4], false],
    [[1, 4], [4, 4], false],
  ])('%j and %j: %s', (a, b, together) => {
    expect(rule(sample([2], a)) === rule(sample([2], b))).toBe(together);
  });

  test('in all inputs', () => {
    const two = batchKeyRule([spec([null]), spec([null])])!;
    expect(two(sample([3], [13]))).not.toBe(two(sample([31], [3])));
    expect(two(sample([3], [4]))).not.toBe(two(sample([4], [3])));
  });
});

describe('with padding, no sample costs more than twice as much because of the others', () => {
  test.each([
    [1, [null]],
    [2, [null, null]],
    [1, [null, 3]],
  ])('%d ragged axes', (axes, shape) => {
    const rule = batchKeyRule([spec(shape, 0)])!;
    const shapes = Array.from({ length: 400 }, (_, i) => [1 + (i % 20), 1 + Math.floor(i / 20)].slice(0, axes));
    const groups = new Map<string, number[][]>();
    for (const lengths of shapes) {
      const batchKey = rule(sample(axes === 1 && shape.length === 2 ? [...lengths, 3] : lengths));
      groups.set(batchKey, [...(groups.get(batchKey) ?? []), lengths]);
    }
    expect(groups.size).toBeLessThan(shapes.length / 2);
    for (const group of groups.values()) {
      const padded = Array.from({ length: axes }, (_, axis) => Math.max(...group.map((lengths) => lengths[axis])));
      const cost = padded.reduce((a, b) => a * b, 1);
      for (const lengths of group) expect(cost / lengths.reduce((a, b) => a * b, 1)).toBeLessThanOrEqual(2);
    }
  });
});

test('a request for outputs is padded to no other length, as its outputs may have a row per element', () => {
  const rule = batchKeyRule([spec([null], 0)])!;
  expect(rule(sample([7]))).toBe(rule(sample([8])));
  expect(rule(sample([7]), true)).toBe(rule(sample([7]), true));
  const others = [rule(sample([8]), true), ...Array.from({ length: 300 }, (_, i) => rule(sample([i + 1])))];
  expect(others).not.toContain(rule(sample([7]), true));
});

test('the size of a sample is that of its variable-size inputs', () => {
  expect(sampleSize([spec([100]), spec([null, 4]), spec([null])])!(sample([100], [3, 4], [7]))).toBe(19);
});
