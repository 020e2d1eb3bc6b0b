import { describe, expect, test } from 'vitest';
import { splitDigest, splitSamples } from '../../../../plans/data/split.ts';

/** Ten classes, the first of them rare, sorted by class like many data sets. */
const SORTED = Int32Array.from({ length: 1000 }, (_, i) => (i < 10 ? 0 : 1 + Math.floor((i - 10) / 110)));

function countOf(name: number, indices: Int32Array, classes: Int32Array): number {
  return indices.filter((index) => classes[index] === name).length;
}

describe('splitSamples', () => {
  test.each([0.1, 0.5, 0.73])('puts each sample in one part, %f of them for validation', (fraction) => {
    const { validation, rest } = splitSamples(1000, fraction, 'shuffled', SORTED);
    expect(validation).toHaveLength(1000 * fraction);
    expect(new Set([...validation, ...rest]).size).toBe(1000);
    expect(validation.length + rest.length).toBe(1000);
  });

  test('gives both parts their share of each class, whatever the order of the file', () => {
    const { validation, rest } = splitSamples(1000, 0.5, 'shuffled', SORTED);
    for (let name = 0; name < 10; name++)
      expect(Math.abs(countOf(name, validation, SORTED) - countOf(name, rest, SORTED)), `class ${name}`).toBeLessThanOrEqual(2);
  });

  test('spreads each class over a part: its first samples resemble the whole', () => {
    const { validation } = splitSamples(1000, 0.5, 'shuffled', SORTED);
    for (let name = 1; name < 10; name++) expect(countOf(name, validation.subarray(0, 100), SORTED)).toBeGreaterThanOrEqual(10);
  });

  test('is the same every time, and its digest differs from those of other splits', () => {
    const split = splitSamples(1000, 0.5, 'shuffled', SORTED);
    expect(splitSamples(1000, 0.5, 'shuffled', SORTED)).toEqual(split);
    expect(splitDigest(splitSamples(1000, 0.5, 'shuffled', SORTED))).toBe(splitDigest(split));
    expect(splitDigest(splitSamples(1000, 0.5, 'time', SORTED))).not.toBe(splitDigest(split));
  });

  test('shuffles if there are no classes', () => {
    const { validation } = splitSamples(1000, 0.5, 'shuffled', undefined);
    const low = validation.filter((index) => index < 500).length;
    expect(low).toBeGreaterThan(200);
    expect(low).toBeLessThan(300);
  });

  test('takes the first samples if they are in order of time', () => {
    const { validation, rest } = splitSamples(10, 0.3, 'time', undefined);
    expect([...validation]).toEqual([0, 1, 2]);
    expect([...rest]).toEqual([3, 4, 5, 6, 7, 8, 9]);
  });

  test('leaves at least one sample for validation, and none for tests if validation takes all', () => {
    expect(splitSamples(3, 0.01, 'shuffled', undefined).validation).toHaveLength(1);
    expect(splitSamples(3, 1, 'shuffled', undefined).rest).toHaveLength(0);
  });
});
