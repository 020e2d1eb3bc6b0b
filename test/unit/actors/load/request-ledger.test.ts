import { beforeEach, describe, expect, test } from 'vitest';
import { RequestLedger } from '../../../../actors/load/request-ledger.ts';

const DEADLINE_MS = 3_000;
const SILENCE_MS = 1_000;
let ledger: RequestLedger;

beforeEach(() => {
  // One request each 100 ms.
  ledger = new RequestLedger(
    Float64Array.from({ length: 100 }, (_, i) => 100 * i),
    DEADLINE_MS,
  );
});

describe('RequestLedger', () => {
  test('a request ends once; later answers are duplicates', () => {
    expect(ledger.answered(3)).toBe(true);
    expect(ledger.answered(3)).toBe(false);
    expect(ledger).toMatchObject({ ended: 1, duplicates: 1 });
  });

  test('an answer to a request that was given up is late, not a duplicate', () => {
    expect(ledger.giveUp(3)).toBe(true);
    expect(ledger.answered(3)).toBe(false);
    expect(ledger).toMatchObject({ ended: 1, duplicates: 0 });
    expect(ledger.giveUp(3)).toBe(false);
  });

  test('a request is handed over once, and ends with the first answer to any attempt', () => {
    expect(ledger.handOver(3)).toBe(true);
    expect(ledger.handOver(3)).toBe(false);
    expect(ledger.refused(3), 'of the first attempt').toBe(false);
    expect(ledger.answered(3)).toBe(true);
    expect(ledger.handOver(3)).toBe(false);
    expect(ledger).toMatchObject({ ended: 1, duplicates: 0 });
  });

  test('a request that is silent for too long is sent again, once', () => {
    expect(ledger.overdue(11, 1_000, SILENCE_MS)).toEqual({ lost: [], again: [0] });
    expect(ledger.overdue(12, 1_150, SILENCE_MS)).toEqual({ lost: [], again: [1] });
    ledger.answered(2);
    expect(ledger.overdue(15, 1_400, SILENCE_MS)).toEqual({ lost: [], again: [3, 4] });
  });

  test('a request that is not sent yet cannot be overdue', () => {
    expect(ledger.overdue(2, 9_000, SILENCE_MS)).toEqual({ lost: [0, 1], again: [] });
    expect(ledger.ended).toBe(2);
  });

  test('without retries, silent requests are lost at the deadline', () => {
    const never = Number.POSITIVE_INFINITY;
    expect(ledger.overdue(30, 2_900, never)).toEqual({ lost: [], again: [] });
    expect(ledger.overdue(30, 3_300, never)).toEqual({ lost: [0], again: [] });
  });

  test('retries after silence are limited to a share of the requests', () => {
    const n = 10_000;
    const many = new RequestLedger(new Float64Array(n), DEADLINE_MS);
    const { again, lost } = many.overdue(n, 2_000, SILENCE_MS);
    expect(again.length).toBeGreaterThan(0);
    expect(again.length).toBeLessThan(n / 2);
    expect(lost).toEqual([]);
    // The others wait for their answers until the deadline.
    expect(many.overdue(n, 9_000, SILENCE_MS).lost).toHaveLength(n - again.length);
  });

  test('lists the sent requests that still wait', () => {
    ledger.answered(1);
    ledger.handOver(2);
    expect(ledger.pending(5)).toEqual([0, 3, 4]);
  });
});
