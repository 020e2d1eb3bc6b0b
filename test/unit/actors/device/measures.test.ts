import { expect, test } from 'vitest';
import { Measures } from '../../../../actors/device/measures.ts';
import { TIME_BOUNDS_MS } from '../../../../plans/protocol/histogram.ts';
import type { Exit, Result } from '../../../../plans/protocol/messages.ts';

const answer = (model: string, gear: number, exit: Exit, totalMs: number): Result => ({
  id: 'id',
  certainty: 0.9,
  model,
  stage: 0,
  exit,
  gear,
  revision: 1,
  timing: { queueMs: totalMs / 4, computeMs: totalMs / 2, totalMs },
});

test('answers are counted by model, gear and exit, with their times; batches by size', () => {
  const measures = new Measures();
  measures.answered(answer('small', 0, 'certain', 4));
  measures.answered(answer('small', 0, 'certain', 8));
  measures.answered(answer('small', 2, 'gear', 16));
  measures.answered(answer('large', 0, 'last', 100));
  measures.batch('small', 3, 2);
  const [small, large] = measures.snapshot;
  expect(small).toMatchObject({
    model: 'small',
    answers: [
      { gear: 0, exits: [2, 0, 0, 0] },
      { gear: 2, exits: [0, 0, 0, 1] },
    ],
    totalMs: { sum: 28 },
    queueMs: { sum: 7 },
    computeMs: { sum: 14 },
    batchSize: { counts: [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], sum: 3 },
    batchMs: { sum: 2 },
  });
  expect(small.totalMs.counts[TIME_BOUNDS_MS.indexOf(4)]).toBe(1);
  expect(large).toMatchObject({ model: 'large', answers: [{ gear: 0, exits: [0, 1, 0, 0] }], batchSize: { sum: 0 } });
});

test('a reported measurement does not change any more', () => {
  const measures = new Measures();
  measures.answered(answer('small', 0, 'certain', 4));
  const [told] = measures.snapshot;
  const before = structuredClone(told);
  measures.answered(answer('small', 0, 'certain', 4));
  expect(told).toEqual(before);
});
