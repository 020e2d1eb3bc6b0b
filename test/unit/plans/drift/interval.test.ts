import { expect, test } from 'vitest';
import { createRandom } from '../../../../engine/random.ts';
import { meanOf, weightedMean, wilson } from '../../../../plans/drift/interval.ts';

test('Wilson’s interval matches the literature, and without a trial it is everything', () => {
  expect(wilson(0, 0)).toEqual({ estimate: 0.5, low: 0, high: 1 });
  const { estimate, low, high } = wilson(10, 100);
  expect([estimate, low, high].map((value) => Number(value.toFixed(4)))).toEqual([0.1, 0.0552, 0.1744]);
  expect(wilson(0, 50).low).toBe(0);
  expect(wilson(0, 50).high).toBeGreaterThan(0.05);
});

test('the interval of a weighted mean of shares holds the truth in about 95 % of cases, even with few trials or extreme shares', () => {
  const random = createRandom(1);
  const strata = [
    { weight: 0.6, truth: 0.02, trials: 150 },
    { weight: 0.3, truth: 0.4, trials: 30 },
    { weight: 0.1, truth: 0.9, trials: 20 },
  ];
  const truth = strata.reduce((sum, { weight, truth: own }) => sum + weight * own, 0);
  let held = 0;
  for (let round = 0; round < 2_000; round++) {
    const { low, high } = weightedMean(
      strata.map(({ weight, truth: own, trials }) => {
        let hits = 0;
        for (let i = 0; i < trials; i++) if (random.next() < own) hits++;
        return { weight, share: wilson(hits, trials) };
      }),
    );
    if (low <= truth && truth <= high) held++;
  }
  expect(held / 2_000).toBeGreaterThan(0.93);
  expect(held / 2_000).toBeLessThan(0.985);
});

test('a stratum without data adds its whole weight to the uncertainty', () => {
  const { low, high } = weightedMean([
    { weight: 0.8, share: { estimate: 0, low: 0, high: 0 } },
    { weight: 0.2, share: wilson(0, 0) },
  ]);
  expect([low, high]).toEqual([expect.closeTo(0, 12), expect.closeTo(0.2, 12)]);
});

test('a mean of equal values is not certain', () => {
  const { low, estimate, high } = meanOf(9, 8.1, 10);
  expect(estimate).toBeCloseTo(0.9, 12);
  expect(low).toBeLessThan(0.9);
  expect(high).toBeGreaterThan(0.9);
});
