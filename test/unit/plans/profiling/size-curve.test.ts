import { expect, test } from 'vitest';
import { mapTimes, type RuntimeCurve, runtimeMs } from '../../../../plans/domain/profile/profile.ts';
import { sizeQuantiles, withMean } from '../../../../plans/profiling/size-curve.ts';

const curve: RuntimeCurve = {
  batch: [1, 4],
  ms: [5, 20],
  bySize: [
    { size: 10, ms: [1, 4] },
    { size: 30, ms: [9, 36] },
  ],
};

test('the largest sample sets the time of a batch: linear between measured sizes, quadratic beyond them', () => {
  expect(runtimeMs(curve, 1)).toBe(5);
  expect(runtimeMs(curve, 1, 10)).toBe(1);
  expect(runtimeMs(curve, 1, 5)).toBe(1);
  expect(runtimeMs(curve, 1, 20)).toBe(5);
  expect(runtimeMs(curve, 4, 30)).toBe(36);
  expect(runtimeMs(curve, 2, 30)).toBe(18);
  expect(runtimeMs(curve, 1, 60)).toBe(36);
});

test('a curve without sizes ignores sample sizes', () => {
  expect(runtimeMs({ batch: [1, 2], ms: [3, 4] }, 2, 77)).toBe(4);
});

test('a slower device is slower at all sizes', () => {
  const slow = mapTimes(curve, (ms) => 2 * ms);
  for (const size of [undefined, 10, 20, 30, 60]) expect(runtimeMs(slow, 3, size)).toBe(2 * runtimeMs(curve, 3, size));
});

test('sizes are measured from the smallest sample to the largest, each once', () => {
  const sizes = Int32Array.of(7, 3, 9, 3, 5);
  expect(sizeQuantiles(sizes).map((position) => sizes[position])).toEqual([3, 7, 9]);
  expect(sizeQuantiles(Int32Array.of(4, 4, 4))).toHaveLength(1);
});

test('the typical time is the mean over the samples, and larger samples are never faster', () => {
  const measured = [
    { size: 10, ms: [2, 6] },
    { size: 20, ms: [1, 8] },
  ];
  const { ms, bySize } = withMean({ batch: [1, 4], bySize: measured }, Int32Array.of(10, 10, 10, 20));
  expect(bySize).toEqual([
    { size: 10, ms: [1.5, 6] },
    { size: 20, ms: [1.5, 8] },
  ]);
  expect(ms).toEqual([1.5, 6.5]);
});
