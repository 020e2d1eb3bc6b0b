import { expect, test } from 'vitest';
import { inFamilyOrder } from '../../../../../plans/domain/profile/family-order.ts';

const model = (name: string, batch: number[], ms: number[]) => ({
  name,
  runtimes: { 'cpu-1': { batch, ms }, cuda: { batch: [1], ms: [1] } },
});
const names = (models: readonly { name: string }[]): string[] => models.map(({ name }) => name);

test('a family is ordered by the measured time per sample in large batches, however it was listed', () => {
  const models = [
    model('large', [1, 8], [2, 9]),
    model('small', [1, 8], [1, 2]),
    model('alone', [1], [0.5]),
    model('middle', [1, 4], [3, 3]),
  ];
  const expected = ['small', 'alone', 'middle', 'large'];
  expect(names(inFamilyOrder(models, 'cpu-1'))).toEqual(expected);
  expect(names(inFamilyOrder(models.toReversed(), 'cpu-1'))).toEqual(expected);
});

test('models that take the same time have a fixed order, too', () => {
  const models = [model('b', [1], [1]), model('a', [1], [1])];
  expect(names(inFamilyOrder(models, 'cuda'))).toEqual(['a', 'b']);
  expect(names(inFamilyOrder(models.toReversed(), 'cuda'))).toEqual(['a', 'b']);
});
