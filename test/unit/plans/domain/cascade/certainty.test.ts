import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { argmax, certaintyEstimator } from '../../../../../plans/domain/cascade/certainty.ts';

const LOGITS = Float32Array.of(99, 2, 1, 0, -99);
const row = fc.array(fc.float({ min: -50, max: 50, noNaN: true }), { minLength: 2, maxLength: 20 });
const KINDS = ['margin', 'max-probability', 'entropy'] as const;

function softmax(scores: readonly number[]): number[] {
  const top = Math.max(...scores);
  const terms = scores.map((score) => Math.exp(score - top));
  const sum = terms.reduce((a, b) => a + b, 0);
  return terms.map((term) => term / sum);
}

describe('certaintyEstimator', () => {
  const [p1, p2, p3] = softmax([2, 1, 0]);

  it.each([
    ['margin', p1 - p2],
    ['logit-margin', 1],
    ['max-probability', p1],
    ['entropy', 1 + (p1 * Math.log(p1) + p2 * Math.log(p2) + p3 * Math.log(p3)) / Math.log(3)],
  ] as const)('%s reads its row alone', (kind, expected) => {
    expect(certaintyEstimator(kind)(LOGITS, 1, 3)).toBeCloseTo(expected, 6);
  });

  it.each(KINDS)('%s of logits equals that of their probabilities', (kind) => {
    fc.assert(
      fc.property(row, (scores) => {
        const ofLogits = certaintyEstimator(kind, 'logits')(Float32Array.from(scores), 0, scores.length);
        const ofProbabilities = certaintyEstimator(kind, 'probabilities')(Float32Array.from(softmax(scores)), 0, scores.length);
        expect(ofLogits).toBeCloseTo(ofProbabilities, 4);
      }),
    );
  });

  it.each(KINDS)('%s is in [0, 1], whatever the order of the classes or a constant added to all', (kind) => {
    fc.assert(
      fc.property(row, fc.integer({ min: -20, max: 20 }), (scores, shift) => {
        const estimate = certaintyEstimator(kind);
        const certainty = estimate(Float32Array.from(scores), 0, scores.length);
        expect(certainty).toBeGreaterThanOrEqual(0);
        expect(certainty).toBeLessThanOrEqual(1);
        expect(estimate(Float32Array.from(scores.toReversed()), 0, scores.length)).toBeCloseTo(certainty, 5);
        const shifted = Float32Array.from(scores, (score) => score + shift);
        expect(estimate(shifted, 0, scores.length)).toBeCloseTo(certainty, 3);
      }),
    );
  });

  it.each([
    ['margin', 'logits'],
    ['margin', 'probabilities'],
    ['logit-margin', 'logits'],
    ['max-probability', 'logits'],
    ['entropy', 'logits'],
    ['entropy', 'probabilities'],
  ] as const)('%s of %s is never certain of scores that are not numbers', (kind, scoreKind) => {
    const nan = Float32Array.of(Number.NaN, Number.NaN, Number.NaN);
    expect(certaintyEstimator(kind, scoreKind)(nan, 0, 3)).toBe(0);
  });

  it('is certain of the only possible class', () => {
    const masked = Float32Array.of(Number.NEGATIVE_INFINITY, 3, Number.NEGATIVE_INFINITY);
    for (const kind of KINDS) expect(certaintyEstimator(kind)(masked, 0, 3)).toBeCloseTo(1, 6);
  });
});

describe('argmax', () => {
  it('is the first of the highest scores of its row', () => {
    expect(argmax(LOGITS, 1, 4)).toBe(0);
    expect(argmax(Float32Array.of(1, 3, 3), 0, 3)).toBe(1);
  });

  it('skips NaN, wherever it is', () => {
    expect(argmax(Float32Array.of(Number.NaN, 1, 3, Number.NaN), 0, 4)).toBe(2);
  });
});
