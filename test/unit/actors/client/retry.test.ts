import { describe, expect, it } from 'vitest';
import { backoffMs, Patience, RetryBudget } from '../../../../actors/client/retry.ts';
import { createRandom } from '../../../../engine/random.ts';

describe('the silence that counts as a loss', () => {
  const first = (patience: Patience, deadlineMs: number, now = 0): number => patience.silenceMs(deadlineMs, 1, now);

  it('is half the deadline before the first answer: any deployment may be slow', () => {
    expect(first(new Patience(), 1_500)).toBe(750);
    expect(first(new Patience(), 30_000)).toBe(15_000);
  });

  it('is 5 seconds if answers come sooner, or half the deadline if that is less', () => {
    const patience = new Patience();
    patience.onAnswer(0, 0);
    patience.onAnswer(50, 0);
    expect(first(patience, 30_000)).toBe(5_000);
    expect(first(patience, 1_500)).toBe(750);
  });

  it('is three times the slowest recent answer, and leaves a quarter of the deadline for the answer', () => {
    const patience = new Patience();
    for (const tookMs of [10, 350, 10]) patience.onAnswer(tookMs, 0);
    expect(first(patience, 1_500)).toBe(1_050);
    expect(first(patience, 30_000)).toBe(5_000);
    patience.onAnswer(2_500, 0);
    expect(first(patience, 1_500)).toBe(1_125);
    expect(first(patience, 30_000)).toBe(7_500);
    patience.onAnswer(9_000, 0);
    expect(first(patience, 30_000)).toBe(22_500);
  });

  it('doubles with each attempt, so that a slow deployment is not buried under retries', () => {
    const patience = new Patience();
    expect([1, 2, 3].map((attempt) => patience.silenceMs(300, attempt, 0))).toEqual([150, 300, 600]);
    patience.onAnswer(2_000, 0);
    expect([1, 2, 3].map((attempt) => patience.silenceMs(30_000, attempt, 0))).toEqual([6_000, 12_000, 24_000]);
  });

  it('does not count while requests are refused, for as long as the longest hint says', () => {
    const patience = new Patience();
    expect(patience.refusedUntil).toBeLessThanOrEqual(0);
    patience.onRefusal(500, 1_000);
    patience.onRefusal(100, 1_100);
    expect(patience.refusedUntil).toBe(1_500);
  });

  it('forgets a slow answer after half a minute to a minute, and starts over if there was none since', () => {
    const patience = new Patience();
    patience.onAnswer(50, 1_000);
    patience.onAnswer(3_000, 30_000);
    expect(first(patience, 30_000, 30_000)).toBe(9_000);
    patience.onAnswer(50, 31_000);
    expect(first(patience, 30_000, 60_999)).toBe(9_000);
    expect(first(patience, 30_000, 61_000)).toBe(5_000);
    expect(first(patience, 30_000, 91_000)).toBe(15_000);
    patience.onAnswer(50, 1e9);
    expect(first(patience, 30_000, 2e9)).toBe(15_000);
  });
});

describe('back-off', () => {
  it('doubles up to half a second, less up to a half of jitter', () => {
    const random = createRandom(1);
    for (let attempt = 1; attempt <= 20; attempt++) {
      const full = Math.min(500, 10 * 2 ** (attempt - 1));
      const wait = backoffMs(attempt, random);
      expect(wait).toBeGreaterThanOrEqual(full / 2);
      expect(wait).toBeLessThanOrEqual(full);
    }
  });
});

describe('the retry budget', () => {
  it('allows the usual number in flight, then a fifth of the requests', () => {
    const budget = new RetryBudget();
    const spend = (): number => {
      let taken = 0;
      while (budget.take()) taken++;
      return taken;
    };
    expect(spend()).toBe(RetryBudget.MAX);
    for (let i = 0; i < 50; i++) budget.onRequest();
    // 50 times 0.2, less the error of adding 0.2 in binary.
    expect(spend()).toBeGreaterThanOrEqual(9);
    for (let i = 0; i < 1e5; i++) budget.onRequest();
    expect(spend()).toBe(RetryBudget.MAX);
  });
});
