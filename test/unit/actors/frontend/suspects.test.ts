import { expect, test } from 'vitest';
import type { InFlight } from '../../../../actors/frontend/in-flight.ts';
import { type Loss, suspectsOf } from '../../../../actors/frontend/suspects.ts';
import { workItem } from '../../../support/plans.ts';

const LARGEST_BATCH = 2;
const entry = (seq: number, sentNumber: number, deaths = 0): InFlight => ({
  item: workItem({ seq }),
  token: undefined,
  cancelled: false,
  ticket: 0,
  device: 'a',
  sentNumber,
  deaths,
});
const entries = [entry(1, 14), entry(2, 11), entry(3, 12), entry(4, 13)];

function suspects(loss: Loss, of: readonly InFlight[] = entries): number[] {
  return [...suspectsOf(of, loss, 'f1', LARGEST_BATCH)].map(({ item }) => item.seq).toSorted();
}

test('suspects are the requests that a dying device names, and none that only waited there', () => {
  const reported = [
    { origin: 'f2', seqs: [1] },
    { origin: 'f1', seqs: [4, 99] },
  ];
  expect(suspects({ died: true, reported })).toEqual([4]);
  expect(suspects({ died: true, reported: [] })).toEqual([]);
});

test('suspects are the oldest batch sent to a device that died without a word, since it may have been running', () => {
  expect(suspects({ died: true, reported: undefined })).toEqual([2, 3]);
});

test('suspects are requests that were on two devices that died, however recent', () => {
  expect(suspects({ died: true, reported: undefined }, [...entries, entry(5, 15, 1)])).toEqual([2, 3, 5]);
});

test('a device that left, or lost its requests for another reason, has no suspects', () => {
  expect(suspects({ died: false, reported: undefined }, [...entries, entry(5, 15, 1)])).toEqual([]);
});
