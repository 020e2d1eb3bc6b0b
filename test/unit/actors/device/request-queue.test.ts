import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RequestQueue } from '../../../../actors/device/request-queue.ts';
import { LOOK_AHEAD } from '../../../../plans/policy/batch-key.ts';

interface Request {
  readonly id: number;
  readonly batchKey: string | undefined;
}

function take(queue: RequestQueue<Request>, most: number): number[] {
  const taken: number[] = [];
  queue.takeCompatible(({ id }) => {
    taken.push(id);
    return taken.length < most ? 'more' : 'last';
  });
  return taken;
}

test('the oldest request is taken with those that may share its batch, in order; the others keep their order', () => {
  const queue = new RequestQueue<Request>();
  for (const [id, batchKey] of [...'abacab'].entries()) queue.push({ id, batchKey });
  expect(take(queue, 2)).toEqual([0, 2]);
  expect(take(queue, 9)).toEqual([1, 5]);
  expect(take(queue, 9)).toEqual([3]);
  queue.push({ id: 6, batchKey: 'a' });
  expect(take(queue, 9)).toEqual([4, 6]);
  expect([queue.length, queue.peek()]).toEqual([0, undefined]);
});

test('all are taken once, whichever requests may share a batch', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 60 }),
      fc.integer({ min: 1, max: 5 }),
      (batchKeys, most) => {
        const queue = new RequestQueue<Request>();
        for (const [id, batchKey] of batchKeys.entries())
          queue.push({ id, batchKey: batchKey === 0 ? undefined : String(batchKey) });
        const seen: number[] = [];
        while (queue.length > 0) {
          const oldest = queue.peek()!;
          const batch = take(queue, most);
          expect(batch[0]).toBe(oldest.id);
          for (const id of batch) expect(batchKeys[id]).toBe(batchKeys[oldest.id]);
          seen.push(...batch);
        }
        expect(seen.toSorted((a, b) => a - b)).toEqual(batchKeys.map((_, id) => id));
      },
    ),
  );
});

test('a long queue is not searched to the end', () => {
  const queue = new RequestQueue<Request>();
  queue.push({ id: 0, batchKey: 'a' });
  for (let i = 1; i <= LOOK_AHEAD; i++) queue.push({ id: i, batchKey: 'b' });
  queue.push({ id: LOOK_AHEAD + 1, batchKey: 'a' });
  expect(take(queue, 9)).toEqual([0]);
});
