import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchSizes, median, monotone, worthLarger } from '../../../../../plans/profiling/curve.ts';

describe('batchSizes', () => {
  it.each([
    [1, [1]],
    [8, [1, 2, 4, 8]],
    [12, [1, 2, 4, 8, 12]],
  ])('up to %d', (largest, sizes) => expect(batchSizes(largest)).toEqual(sizes));
});

describe('worthLarger', () => {
  it('continues while batching pays off', () => {
    expect(worthLarger({ batch: [1, 2, 4], ms: [1, 1.2, 1.6] }, 100)).toBe(true);
  });
  it('stops after two doublings without a gain, not after one', () => {
    expect(worthLarger({ batch: [1, 2, 4], ms: [1, 2, 3.5] }, 100)).toBe(true);
    expect(worthLarger({ batch: [1, 2, 4], ms: [1, 2, 4] }, 100)).toBe(false);
  });
  it('stops at the time limit', () => {
    expect(worthLarger({ batch: [1], ms: [101] }, 100)).toBe(false);
  });
});

describe('monotone', () => {
  it('levels out decreases', () => {
    expect(monotone([1, 3, 2, 5])).toEqual([1, 2.5, 2.5, 5]);
  });
  it('never decreases, keeps the mean, and keeps what was already in order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1 }), (values) => {
        const out = monotone(values);
        expect(out).toEqual(out.toSorted((a, b) => a - b));
        const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);
        expect(sum(out)).toBeCloseTo(sum(values), 6);
        const sorted = values.toSorted((a, b) => a - b);
        expect(monotone(sorted)).toEqual(sorted);
      }),
    );
  });
});

describe('median', () => {
  it('is the middle value, or the mean of the two middle values', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
  });
});
