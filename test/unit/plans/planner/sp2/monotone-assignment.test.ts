import { describe, expect, test } from 'vitest';
import { assignMonotone } from '../../../../../plans/planner/sp2/monotone-assignment.ts';

/** Weights of which each sum is a little off. */
const shares = Array.from({ length: 16 }, (_, k) => 1 / (k + 1));
const total = shares.reduce((sum, share) => sum + share, 0);
const weights = shares.map((share) => share / total);
const everywhere = (score: number) => new Float64Array(16).fill(score);

describe('a target that is exactly reached, but for rounding', () => {
  test('these weights round down', () => {
    expect(weights.reduce((sum, weight) => sum + weight * 0.94, 0)).toBeLessThan(0.94);
  });

  test.each([
    ['by the only cascade', [0.94], [1], 0],
    ['by the most accurate cascade', [0.5, 0.94], [1, 2], 1],
    ['by the fastest cascade', [0.94, 0.95], [1, 2], 0],
    ['by one in the middle', [0.5, 0.94, 0.95], [1, 2, 30], 1],
  ])('is met %s in every range', (_, accuracy, scores, chosen) => {
    expect(assignMonotone({ weights, accuracy, scoreMs: scores.map(everywhere) }, 0.94)).toEqual({
      type: 'assigned',
      cascades: new Array(16).fill(chosen),
    });
  });
});

test('a target that is missed by more says how much is reached', () => {
  const found = assignMonotone({ weights, accuracy: [0.94], scoreMs: [everywhere(1)] }, 0.94 + 1e-6);
  expect(found?.type === 'short' && found.reached).toBeCloseTo(0.94, 12);
});
