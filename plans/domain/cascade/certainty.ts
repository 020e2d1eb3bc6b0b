import { assertNever } from '../../../engine/errors.ts';
import type { Estimator, ScoreKind } from '../deployment/model-entry.ts';

/** Certainty of an answer that is not a number (NaN): below every threshold, so the sample moves on. */
export const NO_NUMBER = Number.NEGATIVE_INFINITY;

/**
 * Certainty of one sample, from its row of class scores: `scores[offset .. offset + classes)`. In [0, 1], except for
 * `logit-margin`, which is in [0, infinity). Scores must be numbers; infinite ones give 0.
 */
export type CertaintyEstimator = (scores: Float32Array, offset: number, classes: number) => number;

/**
 * The estimators (CascadeServe App. B), without allocation per sample:
 * - `margin`: probability of the top class minus that of the second (the paper's);
 * - `logit-margin`: the same on the raw scores;
 * - `max-probability`: probability of the top class;
 * - `entropy`: 1 - entropy / log(classes).
 * @param scoreKind whether the scores are logits, so that softmax gives the probabilities, or probabilities already. It is
 *   declared by the deployment, not guessed per request: a row of logits can look like probabilities by chance.
 */
export function certaintyEstimator(kind: Estimator, scoreKind: ScoreKind = 'logits'): CertaintyEstimator {
  const logits = scoreKind === 'logits';
  switch (kind) {
    case 'margin':
      return logits ? softmaxMargin : (scores, offset, classes) => unit(rawMargin(scores, offset, classes));
    case 'logit-margin':
      return rawMargin;
    case 'max-probability':
      return logits ? softmaxTop : (scores, offset, classes) => unit(scores[offset + argmax(scores, offset, classes)]);
    case 'entropy':
      return logits ? softmaxEntropy : plainEntropy;
    default:
      return assertNever(kind);
  }
}

/** Class with the highest score; the first one on a tie. Scores that are not numbers are ignored. */
export function argmax(scores: Float32Array, offset: number, classes: number): number {
  let best = 0;
  for (let c = 1; c < classes; c++) {
    const top = scores[offset + best];
    if (scores[offset + c] > top || Number.isNaN(top)) best = c;
  }
  return best;
}

function rawMargin(scores: Float32Array, offset: number, classes: number): number {
  let first = Number.NEGATIVE_INFINITY;
  let second = Number.NEGATIVE_INFINITY;
  for (let i = offset; i < offset + classes; i++) {
    const score = scores[i];
    if (score > first) {
      second = first;
      first = score;
    } else if (score > second) second = score;
  }
  return finite(first - second);
}

/** Sum of exp(score - top): the denominator of softmax, scaled so that it cannot overflow. */
function softmaxSum(scores: Float32Array, offset: number, classes: number, top: number): number {
  let sum = 0;
  for (let i = offset; i < offset + classes; i++) sum += Math.exp(scores[i] - top);
  return sum;
}

function softmaxMargin(scores: Float32Array, offset: number, classes: number): number {
  const best = argmax(scores, offset, classes);
  const top = scores[offset + best];
  let second = Number.NEGATIVE_INFINITY;
  for (let c = 0; c < classes; c++) if (c !== best && scores[offset + c] > second) second = scores[offset + c];
  return unit((1 - Math.exp(second - top)) / softmaxSum(scores, offset, classes, top));
}

function softmaxTop(scores: Float32Array, offset: number, classes: number): number {
  const top = scores[offset + argmax(scores, offset, classes)];
  return unit(1 / softmaxSum(scores, offset, classes, top));
}

function softmaxEntropy(scores: Float32Array, offset: number, classes: number): number {
  const top = scores[offset + argmax(scores, offset, classes)];
  const sum = softmaxSum(scores, offset, classes, top);
  let weighted = 0;
  for (let i = offset; i < offset + classes; i++) {
    const shifted = scores[i] - top;
    if (shifted > Number.NEGATIVE_INFINITY) weighted += Math.exp(shifted) * shifted;
  }
  return unit(1 - (Math.log(sum) - weighted / sum) / Math.log(classes));
}

function plainEntropy(scores: Float32Array, offset: number, classes: number): number {
  let entropy = 0;
  for (let i = offset; i < offset + classes; i++) if (scores[i] !== 0) entropy -= scores[i] * Math.log(scores[i]);
  return unit(1 - entropy / Math.log(classes));
}

/** Clamps rounding errors; NaN becomes 0. */
function unit(value: number): number {
  return value > 0 ? Math.min(value, 1) : 0;
}

function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}
