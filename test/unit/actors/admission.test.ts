import { expect, test } from 'vitest';
import { Admission } from '../../../actors/admission.ts';

/** A queue that ends one request every `everyMs`, in order; `perEnd` new ones come meanwhile. Returns the time. */
function run(admission: Admission, from: number, ends: number, everyMs: number, waiting: number[], perEnd: number): number {
  let now = from;
  for (let i = 0; i < ends; i++) {
    now += everyMs;
    for (let j = 0; j < perEnd; j++) {
      admission.started(now);
      waiting.push(now);
    }
    const startedAt = waiting.shift();
    if (startedAt !== undefined) admission.ended(now - startedAt, true, now);
  }
  return now;
}

test('nothing is refused without evidence', () => {
  const admission = new Admission();
  for (let i = 0; i < 10_000; i++) admission.started(i);
  expect(admission.retryAfterMs(1, 10_000)).toBeUndefined();
});

test('the expected wait is what is in flight over what is completed per time', () => {
  const admission = new Admission();
  const waiting: number[] = [];
  // 100 are completed a second, twice as many come.
  const now = run(admission, 0, 200, 10, waiting, 2);
  expect(waiting).toHaveLength(200);
  expect(admission.expectedWaitMs(now)).toBeCloseTo(2_000, -2);
  expect(admission.retryAfterMs(4_000, now)).toBeUndefined();
  expect(admission.retryAfterMs(1_000, now)).toBeGreaterThan(1_500);
});

test('time in which nothing is in flight says nothing about the speed', () => {
  const admission = new Admission();
  const waiting: number[] = [];
  let now = run(admission, 0, 200, 10, waiting, 1);
  expect(waiting).toHaveLength(0);
  now += 3_600_000;
  for (let i = 0; i < 3; i++) admission.started(now);
  // A completion takes 10 ms; at least none of the hour counts.
  expect(admission.expectedWaitMs(now + 1)).toBeLessThan(100);
});

test('requests that are given up without an inference are no evidence of speed, but of long waits', () => {
  const admission = new Admission();
  for (let i = 0; i < 100; i++) admission.started(0);
  for (let i = 0; i < 50; i++) admission.ended(1_000, false, 1_000);
  expect(admission.retryAfterMs(1_000, 1_000)).toBeGreaterThan(0);
  for (let i = 0; i < 50; i++) admission.ended(1_000, false, 1_000);
  // With nothing in flight the next one is always taken.
  expect(admission.retryAfterMs(1_000, 1_001)).toBeUndefined();
});

test('a hint lies between 10 ms and 5 s', () => {
  const admission = new Admission();
  for (let i = 0; i < 100; i++) admission.started(0);
  admission.ended(60_000, true, 60_000);
  expect(admission.retryAfterMs(1_000, 60_000)).toBe(5_000);
  expect(new Admission().roomAfterMs(0)).toBe(10);
});
