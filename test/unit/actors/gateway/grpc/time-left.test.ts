import { expect, test } from 'vitest';
import { timeLeft } from '../../../../../actors/gateway/grpc/time-left.ts';

test('counts down from the start of a call, whatever the time of day is set to', () => {
  let now = 70;
  const left = timeLeft(new Date(1_500), 1_000, { now: () => now });
  expect(left()).toBe(500);
  now += 200;
  expect(left()).toBe(300);
  now += 1_000;
  expect(left()).toBe(1);
});

test('is undefined without a deadline', () => {
  expect(timeLeft(Number.POSITIVE_INFINITY, 1_000, { now: () => 0 })()).toBeUndefined();
});
