import { expect, test } from 'vitest';
import { byKind, UNSERVED, Unserved } from '../../../../plans/protocol/unserved.ts';

test('requests without a result are counted by reason, and reported by how they ended', () => {
  const unserved = new Unserved();
  for (const reason of ['overloaded', 'waiting', 'overloaded', 'invalid'] as const) unserved.count(reason);
  expect(unserved.counts).toEqual({ overloaded: 2, waiting: 1, invalid: 1 });
  expect(byKind(unserved.counts)).toEqual({ refused: { overloaded: 2, invalid: 1 }, cancelled: { waiting: 1 } });
});

test('reasons from another version are left out', () => {
  expect(byKind({ waiting: 2, 'of tomorrow': 3, constructor: 1 })).toEqual({ cancelled: { waiting: 2 } });
});

test('a client hears about every ending except those it caused by giving up', () => {
  for (const { kind, code } of Object.values(UNSERVED)) expect(code === null).toBe(kind === 'cancelled');
});
