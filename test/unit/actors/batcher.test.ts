import { expect, test } from 'vitest';
import { Batcher, type Queued } from '../../../actors/batcher.ts';
import { compilePlan } from '../../../plans/policy/compiled-plan.ts';
import { planOf, workItem } from '../../support/plans.ts';

const plan = compilePlan(planOf({ models: ['small', 'large'], minQueueLength: 3, maxWaitMs: 50 }));
const gear = plan.gears[0];
const batcher = (): Batcher =>
  new Batcher([4, 2], { number: 0, of: 1 }, { requests: 5, bytes: 100 }, (model, size) => 10 * (model + 1) + size);
const at = (enqueuedAt: number, deadlineAt = 1e9): Queued => ({ item: { ...workItem(), deadlineAt }, origin: 'f', enqueuedAt });

test('a queue below its minimum length waits, and triggers whole at the minimum', () => {
  const queues = batcher();
  for (const t of [0, 1]) queues.enqueue(0, at(t));
  expect(queues.next(gear, 10)).toBeUndefined();
  queues.enqueue(0, at(2));
  expect(queues.next(gear, 10)?.requests).toHaveLength(3);
  expect(queues.length(0) + queues.length(1)).toBe(0);
});

test('a queue below its minimum triggers when its oldest request has waited maxWaitMs', () => {
  const queues = batcher();
  queues.enqueue(0, at(100));
  expect(queues.wakeAt(gear)).toBe(150);
  expect(queues.next(gear, 149)).toBeUndefined();
  expect(queues.next(gear, 150)?.requests).toHaveLength(1);
});

test('a trigger takes no more than the largest profiled batch', () => {
  const queues = batcher();
  for (const t of [0, 1, 2, 3, 4]) queues.enqueue(0, at(t));
  expect(queues.next(gear, 5)?.requests).toHaveLength(4);
});

test('of two triggered queues the one with the oldest request goes first', () => {
  const queues = batcher();
  for (const t of [5, 6, 7]) queues.enqueue(0, at(t));
  queues.enqueue(1, at(4));
  queues.enqueue(1, at(8));
  expect(queues.next(gear, 60)?.model).toBe(1);
  expect(queues.next(gear, 60)?.model).toBe(0);
});

test('requests past their deadline are set apart, not computed', () => {
  const queues = batcher();
  queues.enqueue(0, at(0, 10));
  queues.enqueue(0, at(1, 100));
  queues.enqueue(0, at(2, 100));
  const batch = queues.next(gear, 20);
  expect(batch?.expired).toHaveLength(1);
  expect(batch?.requests).toHaveLength(2);
});

test('a full queue refuses', () => {
  const queues = batcher();
  const taken = [0, 1, 2, 3, 4, 5].map((t) => queues.enqueue(0, at(t)));
  expect(taken).toEqual([true, true, true, true, true, false]);
});
