import { expect, test } from 'vitest';
import { Batcher, type Queued } from '../../../../actors/device/batcher.ts';
import { compilePlan } from '../../../../plans/policy/compiled-plan.ts';
import { planOf, workItem } from '../../../support/plans.ts';

const plan = compilePlan(planOf({ models: ['small', 'large'], minQueueLength: 3, maxWaitMs: 50 }));
const gear = plan.gears[0];
const batcher = (): Batcher =>
  new Batcher(
    2,
    (model) => [4, 2][model],
    { number: 0, of: 1 },
    { requests: 5, bytes: 100 },
    (model, size) => 10 * (model + 1) + size,
  );
const at = (enqueuedAt: number, deadlineAt = 1e9): Queued => ({ item: { ...workItem(), deadlineAt }, origin: 'f', enqueuedAt });

test('a queue below its minimum length waits, and triggers at the minimum as a whole', () => {
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

test('of two triggered queues, the one with the oldest request goes first', () => {
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

test('a request that its batch would answer past the deadline is set apart, too', () => {
  const queues = batcher();
  // A batch of two takes 12 ms.
  queues.enqueue(0, at(0, 111));
  queues.enqueue(0, at(0, 112));
  const batch = queues.next(gear, 100);
  expect(batch?.expired.map(({ item }) => item.deadlineAt)).toEqual([111]);
  expect(batch?.requests).toHaveLength(1);
});

test('the backlog is the profiled time of all queues, in the largest possible batches', () => {
  const queues = batcher();
  expect(queues.backlogMs()).toBe(0);
  for (const t of [0, 1, 2, 3, 4]) queues.enqueue(0, at(t));
  queues.enqueue(1, at(5));
  // 4 and 1 for the first model, 1 for the second.
  expect(queues.backlogMs()).toBe(14 + 11 + 21);
});

test('bytes are bounded over all queues, and freed when a request is taken or the queues are cleared', () => {
  const queues = batcher();
  const big = (enqueuedAt: number): Queued => {
    const sample = [{ data: new Uint8Array(60), shape: [60] }];
    return { ...at(enqueuedAt), item: workItem({ sample }) };
  };
  expect([queues.enqueue(0, big(0)), queues.enqueue(1, big(1))]).toEqual([true, false]);
  expect(queues.next(gear, 100)?.requests).toHaveLength(1);
  expect(queues.enqueue(1, big(2))).toBe(true);
  expect(queues.clear()).toBe(1);
  expect(queues.enqueue(1, big(3))).toBe(true);
});

test('a full queue refuses', () => {
  const queues = batcher();
  const taken = [0, 1, 2, 3, 4, 5].map((t) => queues.enqueue(0, at(t)));
  expect(taken).toEqual([true, true, true, true, true, false]);
});

test('dropped requests leave their queues from any position, and free their room', () => {
  const queues = batcher();
  const numbered = (seq: number): Queued => ({
    item: workItem({ seq, sample: [{ data: new Uint8Array(20), shape: [20] }] }),
    origin: 'f',
    enqueuedAt: 0,
  });
  const seqsOf = (requests: readonly Queued[] = []): number[] => requests.map(({ item }) => item.seq);
  for (const seq of [1, 2, 3]) queues.enqueue(0, numbered(seq));
  for (const seq of [4, 5]) queues.enqueue(1, numbered(seq));
  expect(queues.enqueue(0, numbered(6))).toBe(false);
  expect(seqsOf(queues.drop(({ item }) => [1, 3, 5].includes(item.seq)))).toEqual([1, 3, 5]);
  expect([queues.length(0), queues.length(1)]).toEqual([1, 1]);
  expect([6, 7, 8, 9].map((seq) => queues.enqueue(0, numbered(seq)))).toEqual([true, true, true, false]);
  expect(seqsOf(queues.next(gear, 100)?.requests)).toEqual([2, 6, 7, 8]);
  expect(seqsOf(queues.next(gear, 100)?.requests)).toEqual([4]);
});
