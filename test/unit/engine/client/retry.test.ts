import { describe, expect, it } from 'vitest';
import { backoffMs, RetryBudget, silenceMs } from '../../../../engine/client/retry.ts';
import { createRandom } from '../../../../engine/random.ts';

describe('silence', () => {
  it('is a third of a short deadline, so that one repetition fits', () => {
    expect([silenceMs(300, 1), silenceMs(300, 2)]).toEqual([100, 200]);
  });

  it('is 5, 10, 20 seconds for a long one', () => {
    expect([1, 2, 3].map((attempt) => silenceMs(30_000, attempt))).toEqual([5_000, 10_000, 20_000]);
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
  it('allows what is usually under way, then a fifth of the requests', () => {
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
