import { expect, test } from 'vitest';
import { qualityPlanes } from '../../../../../plans/domain/cascade/quality-planes.ts';

/** What the planes of a model say about a sample. */
function read(planes: readonly Uint32Array[], sample: number, steps: number): number {
  return planes.reduce((sum, plane, p) => sum + ((plane[sample >>> 5] >>> (sample & 31)) & 1) * 2 ** p, 0) / steps;
}

test.each([
  ['right or wrong', [0, 1, 1, 0], 1, 1],
  ['thirds', [0, 1 / 3, 2 / 3, 1], 3, 2],
  ['halves and thirds', [0.5, 1 / 3, 0, 1], 6, 3],
])('%s are kept exactly in as few planes as possible', (_, values, steps, planes) => {
  const records = qualityPlanes([Float32Array.from(values)], 1);
  expect(records).toMatchObject({ steps, exact: true });
  expect(records.planes[0]).toHaveLength(planes);
  for (const [i, value] of values.entries()) expect(read(records.planes[0], i, steps)).toBeCloseTo(value, 6);
});

test('any other quality is rounded to within half a step, and marked as rounded', () => {
  const values = Float32Array.from({ length: 100 }, (_, i) => Math.sqrt(i) / 10);
  const { exact, steps, planes } = qualityPlanes([values], 4);
  expect(exact).toBe(false);
  expect(planes[0]).toHaveLength(8);
  for (const [i, value] of values.entries())
    expect(Math.abs(read(planes[0], i, steps) - value)).toBeLessThanOrEqual(0.5 / steps + 1e-6);
});

test('all models are counted in the same steps', () => {
  const { steps, planes } = qualityPlanes([Float32Array.of(0, 1), Float32Array.of(0.25, 1)], 1);
  expect(steps).toBe(4);
  expect(planes.map((own) => read(own, 1, steps))).toEqual([1, 1]);
});
