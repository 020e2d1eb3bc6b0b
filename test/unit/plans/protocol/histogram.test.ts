import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Histogram, quantile, SIZE_BOUNDS, since, sumOf, TIME_BOUNDS_MS } from '../../../../plans/protocol/histogram.ts';

test('values up to a bound are in its bin; values above the last bound have a bin of their own', () => {
  const histogram = new Histogram([1, 2, 4]);
  for (const value of [-0.001, 1, 1.001, 2, 4, 4.001, 1_000]) histogram.observe(value);
  expect(histogram.told).toEqual({ counts: [2, 2, 1, 2], sum: expect.closeTo(1_012.002) });
});

test('bounds ascend', () => {
  for (const bounds of [TIME_BOUNDS_MS, SIZE_BOUNDS]) expect([...bounds].sort((a, b) => a - b)).toEqual(bounds);
});

test('a percentile is right to within a bin, whatever the values', () => {
  const times = fc.array(fc.double({ min: 0.2, max: 50_000, noNaN: true }), { minLength: 1, maxLength: 300 });
  fc.assert(
    fc.property(times, fc.double({ min: 0.01, max: 1, noNaN: true }), (values, q) => {
      const histogram = new Histogram(TIME_BOUNDS_MS);
      for (const value of values) histogram.observe(value);
      const exact = values.sort((a, b) => a - b)[Math.ceil(q * values.length) - 1];
      const read = quantile(TIME_BOUNDS_MS, histogram.told, q)!;
      // The widest bin goes from 1.25 to 1.6.
      expect(read / exact).toBeGreaterThan(1 / 1.29);
      expect(read / exact).toBeLessThan(1.29);
    }),
  );
});

test('an empty histogram has no percentiles', () => {
  expect(quantile(SIZE_BOUNDS, new Histogram(SIZE_BOUNDS).told, 0.95)).toBeNull();
});

test('the difference of two readings is what was counted between them; a restarted process counts from zero', () => {
  const before = { counts: [1, 2], sum: 5 };
  expect(since(before, { counts: [3, 2], sum: 7 })).toEqual({ counts: [2, 0], sum: 2 });
  expect(since(before, { counts: [0, 3], sum: 4 })).toEqual({ counts: [0, 3], sum: 4 });
  expect(since(undefined, before)).toEqual(before);
  expect(sumOf([before, before], 2)).toEqual({ counts: [2, 4], sum: 10 });
});
