import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readQuality } from '../../../../plans/data/recorded-quality.ts';
import { targetReader } from '../../../../plans/data/targets.ts';
import { npyFile } from '../../../fixtures/npy-writer.ts';

const numbers = (shape: number[], ...values: number[]) => ({
  dtype: 'float32' as const,
  shape,
  data: new Uint8Array(Float32Array.from(values).buffer),
});
const where = (i: number): string => `line ${i + 1}`;

describe('targetReader', () => {
  it('reads a 0/1 matrix, or a list per line, for labels', () => {
    const reader = targetReader('multi-label', undefined)!;
    const expected = { width: 2, values: Float32Array.of(0, 1, 1, 1) };
    expect(reader.ofArray(numbers([2, 2], 0, 1, 1, 1), 'y.npy')).toEqual(expected);
    expect(
      reader.ofValues(
        [
          [0, 1],
          [1, 1],
        ],
        where,
      ),
    ).toEqual(expected);
    expect(() => reader.ofArray(numbers([1, 2], 0, 2), 'y.npy')).toThrow('y.npy: row 0 is 2; expected 0 or 1 for each label');
    expect(() => reader.ofValues([[0, 1], [1]], where)).toThrow(
      'line 2 has 1 numbers, but line 1 has 2; they must have equally many',
    );
  });

  it('reads values, one or several, for regression', () => {
    const reader = targetReader('regression', undefined)!;
    expect(reader.ofValues([1.5, 2], where)).toEqual({ width: 1, values: Float32Array.of(1.5, 2) });
    expect(() => reader.ofArray(numbers([2], 1, Number.NaN), 'y.npy')).toThrow('y.npy: row 1 is NaN; expected numbers');
  });

  it('accepts numbers as class names if they are not 0, 1, 2 ...', () => {
    const reader = targetReader('classification', ['3', '7', '9'])!;
    expect(reader.ofValues([7, 9, 3], where).values).toEqual(Int32Array.of(1, 2, 0));
    expect(() => reader.ofValues([5], where)).toThrow('line 1 is "5"; expected one of the classes 3, 7, 9');
  });

  it.each([[['2', '0', '1']], [['1', '2', '3']]])(
    'reads one-hot columns in the order of the scores if classes are named %j',
    (names) => {
      const reader = targetReader('classification', names)!;
      expect(reader.ofArray(numbers([3, 3], 1, 0, 0, 0, 1, 0, 0, 0, 1), 'y.npy').values).toEqual(Int32Array.of(0, 1, 2));
    },
  );

  it('refuses a one-hot column beyond the classes', () => {
    const reader = targetReader('classification', ['5', '7'])!;
    expect(() => reader.ofArray(numbers([1, 3], 0, 0, 1), 'y.npy')).toThrow(
      'y.npy: label 0 is 2; expected 0 to 1, as there are 2 classes',
    );
  });

  it('tells classes apart by blanks only if both are named', () => {
    const reader = targetReader('classification', ['a ', 'a'])!;
    expect(reader.ofValues(['a', 'a ', ' a'], where).values).toEqual(Int32Array.of(1, 0, 0));
  });

  it('names the sample whose label is empty', () => {
    const reader = targetReader('classification', undefined)!;
    const texts = { dtype: 'text' as const, shape: [3], texts: ['ant', ' ', 'bee'] };
    expect(() => reader.ofArray(texts, 't.csv#label')).toThrow(
      't.csv#label: label 1 is empty; label all samples, or leave this one out',
    );
    expect(() => reader.ofValues(['ant', ''], where)).toThrow('line 2 is empty');
  });

  it('reads nothing for a custom task', () => {
    expect(targetReader('custom', undefined)).toBeUndefined();
  });
});

describe('readQuality', () => {
  const dir = mkdtempSync(join(tmpdir(), 'cascade-quality-'));
  afterAll(() => rmSync(dir, { recursive: true }));
  const file = (name: string, shape: number[], ...values: number[]): string => {
    writeFileSync(join(dir, name), npyFile(shape, Float32Array.from(values)));
    return join(dir, name);
  };
  const models = [{ name: 'a' }, { name: 'b' }];

  it('reads a file per model, or a column of a file', () => {
    const each = readQuality({ a: file('a.npy', [2], 0, 1), b: file('b.npy', [2], 0.5, 1) }, models, 2);
    expect(readQuality(file('all.npy', [2, 2], 0, 0.5, 1, 1), models, 2)).toEqual(each);
    expect(each.get('b')).toEqual(Float32Array.of(0.5, 1));
  });

  it.each([
    ['all.npy (data.quality) is float32[3]; expected numbers [2, 2]', [3], [0, 0, 0]],
    ['all.npy (data.quality): sample 1 has 2; a quality must be from 0 to 1', [2, 2], [0, 0, 2, 1]],
  ])('says "%s"', (message, shape, values) => {
    expect(() => readQuality(file('all.npy', shape, ...values), models, 2)).toThrow(message);
  });
});
