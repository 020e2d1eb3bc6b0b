import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FairQueue } from '../../../../actors/device/fair-queue.ts';
import { RequestQueue } from '../../../../actors/device/request-queue.ts';

interface Waiting {
  readonly id: string;
  readonly batchKey?: string;
  readonly enqueuedAt: number;
  readonly item: { readonly client: number };
}

const queueOf = (clients: string, batchKeys = ''): FairQueue<Waiting> => {
  const queue = new FairQueue<Waiting>();
  const sent = new Map<string, number>();
  for (const [i, client] of [...clients].entries()) {
    const number = (sent.get(client) ?? 0) + 1;
    sent.set(client, number);
    queue.push({ id: `${client}${number}`, batchKey: batchKeys[i], enqueuedAt: i, item: { client: client.charCodeAt(0) } });
  }
  return queue;
};

function take(queue: { takeCompatible: (take: (value: Waiting) => 'more' | 'last') => void }, most: number): string[] {
  const taken: string[] = [];
  queue.takeCompatible(({ id }) => {
    taken.push(id);
    return taken.length < most ? 'more' : 'last';
  });
  return taken;
}

test('clients take turns; the others get what one does not use', () => {
  const queue = queueOf('aaaaabcc');
  expect(take(queue, 3)).toEqual(['a1', 'b1', 'c1']);
  expect(take(queue, 3)).toEqual(['a2', 'c2', 'a3']);
  expect(take(queue, 3)).toEqual(['a4', 'a5']);
  expect([queue.length, queue.peek(), queue.oldestAt()]).toEqual([0, undefined, undefined]);
});

test('a client that comes later is served in the next turn', () => {
  const queue = queueOf('aaaa');
  expect(take(queue, 2)).toEqual(['a1', 'a2']);
  queue.push({ id: 'b1', enqueuedAt: 9, item: { client: 'b'.charCodeAt(0) } });
  expect(take(queue, 2)).toEqual(['a3', 'b1']);
});

test('a batch has only samples that may share it, chosen by the client whose turn it is', () => {
  const queue = queueOf('aabbcc', 'xyyxxx');
  expect(take(queue, 9)).toEqual(['a1', 'b2', 'c1', 'c2']);
  expect(take(queue, 9).sort()).toEqual(['a2', 'b1']);
});

test('a dropped request loses its turn', () => {
  const queue = queueOf('aabbcc');
  expect(queue.drop(({ id }) => id === 'a1' || id.startsWith('b')).map(({ id }) => id)).toEqual(['a1', 'b1', 'b2']);
  expect(queue.length).toBe(3);
  expect(take(queue, 9)).toEqual(['a2', 'c1', 'c2']);
  expect(queue.drop(() => true)).toEqual([]);
});

test('the age of the queue is that of its oldest request, whoever’s turn it is', () => {
  const queue = queueOf('abba');
  expect(take(queue, 3)).toEqual(['a1', 'b1', 'a2']);
  expect(queue.oldestAt()).toBe(2);
  queue.push({ id: 'a3', enqueuedAt: 7, item: { client: 'a'.charCodeAt(0) } });
  expect(queue.oldestAt()).toBe(2);
});

test('with one client it is an ordinary queue; with several, each request is taken once, and each client’s in order', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ client: fc.nat(3), batchKey: fc.constantFrom('x', 'y') }), { maxLength: 40 }),
      fc.integer({ min: 1, max: 5 }),
      (requests, most) => {
        const waiting = requests.map(({ client, batchKey }, i) => ({ id: `${i}`, batchKey, enqueuedAt: i, item: { client } }));
        const [fair, lone, plain] = [new FairQueue<Waiting>(), new FairQueue<Waiting>(), new RequestQueue<Waiting>()];
        for (const value of waiting) {
          fair.push(value);
          lone.push({ ...value, item: { client: 1 } });
          plain.push(value);
        }
        const seen: string[] = [];
        while (fair.length > 0) {
          const before = fair.length;
          const batch = take(fair, most);
          expect(fair.length).toBe(before - batch.length);
          expect(batch.length).toBeGreaterThan(0);
          expect(new Set(batch.map((id) => waiting[Number(id)].batchKey)).size).toBe(1);
          seen.push(...batch);
        }
        expect([...seen].sort()).toEqual(waiting.map(({ id }) => id).sort());
        for (let client = 0; client <= 3; client++)
          for (const batchKey of ['x', 'y']) {
            const own = seen.map(Number).filter((i) => waiting[i].item.client === client && waiting[i].batchKey === batchKey);
            expect(own).toEqual([...own].sort((a, b) => a - b));
          }
        while (plain.length > 0) expect(take(lone, most)).toEqual(take(plain, most));
        expect(lone.length).toBe(0);
      },
    ),
  );
});
