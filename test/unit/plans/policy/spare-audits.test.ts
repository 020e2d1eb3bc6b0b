import { expect, test } from 'vitest';
import { createRandom } from '../../../../engine/random.ts';
import { AUDIT_QUEUE } from '../../../../plans/policy/audit.ts';
import { compilePlan } from '../../../../plans/policy/compiled-plan.ts';
import { SpareAudits } from '../../../../plans/policy/spare-audits.ts';
import { planOf } from '../../../support/plans.ts';

const gear = compilePlan(planOf({ models: ['small', 'large'], minQueueLength: 4 })).gears[0];
const LARGE = 1;

/** The waiting audits are sample sizes; an audit takes its size in ms, and batches of the gear take 8 ms at most. */
function audits(): SpareAudits<number> {
  return new SpareAudits({
    settings: { share: 0.5, utilisation: 0.5 },
    random: createRandom(1),
    device: { number: 0, of: 1 },
    batchMs: (_, batch, sampleSize = 2) => batch * sampleSize,
    sizeOf: (size) => size,
  });
}

test('waiting audits run in order, except ones that would delay other requests for too long', () => {
  const own = audits();
  for (const size of [1, 9, 3]) own.enqueue(size);
  expect(own.next(LARGE, gear, 0)).toBe(1);
  expect(own.next(LARGE, gear, 0)).toBe(3);
  expect(own.next(LARGE, gear, 0)).toBeUndefined();
});

test('no audit runs if the device was busy or does not hold the model', () => {
  const own = audits();
  own.enqueue(1);
  expect(own.hasSpare(-1, gear, 0)).toBe(false);
  expect(own.next(-1, gear, 0)).toBeUndefined();
  own.busy(0, 1_000);
  expect(own.hasSpare(LARGE, gear, 1_000)).toBe(false);
  expect(own.next(LARGE, gear, 1_000)).toBeUndefined();
  expect(own.hasSpare(LARGE, gear, 2_000)).toBe(true);
  expect(own.next(LARGE, gear, 2_000)).toBe(1);
});

test('no audit runs while others use the cores of the device, however idle the device itself is', () => {
  const own = audits();
  own.enqueue(1);
  own.starved(0, 1_000, 0.9);
  expect(own.hasSpare(LARGE, gear, 1_000)).toBe(false);
  expect(own.next(LARGE, gear, 1_000)).toBeUndefined();
  own.starved(1_000, 3_000, 0.1);
  expect(own.next(LARGE, gear, 3_000)).toBe(1);
});

test('audits stop at the first moments of a crowd', () => {
  const own = audits();
  own.enqueue(1);
  own.busy(0, 150);
  expect(own.hasSpare(LARGE, gear, 150)).toBe(false);
  expect(own.next(LARGE, gear, 150)).toBeUndefined();
  expect(own.next(LARGE, gear, 400)).toBe(1);
});

test('the number of waiting audits is bounded, and a full device takes no more', () => {
  const own = audits();
  for (let i = 0; i < AUDIT_QUEUE; i++) expect(own.enqueue(1)).toBe(true);
  expect(own.hasSpare(LARGE, gear, 0)).toBe(false);
  expect(own.enqueue(1)).toBe(false);
});

test('answers of the most accurate model are never drawn', () => {
  const own = audits();
  const drawn = Array.from({ length: 200 }, (_, i) => own.draws(i % 2 === 0));
  expect(drawn.filter((each, i) => each && i % 2 === 0)).toHaveLength(0);
  expect(drawn.filter(Boolean).length).toBeGreaterThan(50);
});
