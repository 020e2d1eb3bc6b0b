import { certaintyEstimator } from '../cascade/certainty.ts';
import { classification, labelAgreement, labelQuality } from './classification.ts';
import type { Task, TaskSettings } from './task.ts';

/**
 * Class 0 or 1, from one column: the probability of class 1, or its logit. The label is 1 above a probability of 0.5; the certainty
 * is that of the two classes' scores, such as |2p - 1| for `margin`. Two columns are one score per class, as in classification.
 */
export function binary(settings: Pick<TaskSettings, 'estimator' | 'scores'>): Task {
  const ofTwo = classification(settings);
  const ofOne = oneColumnCertainty(settings);
  const threshold = settings.scores === 'logits' ? 0 : 0.5;
  return {
    predict: (scores, offset, columns) =>
      columns === 1 ? { label: scores[offset] > threshold ? 1 : 0 } : ofTwo.predict(scores, offset, columns),
    certainty: (scores, offset, columns) => (columns === 1 ? ofOne(scores[offset]) : ofTwo.certainty(scores, offset, columns)),
    quality: labelQuality,
    agreement: labelAgreement,
  };
}

/** The certainty of the two equivalent columns: logits 0 and z, or probabilities 1 - p and p. */
export function oneColumnCertainty({
  estimator,
  scores: kind,
}: Pick<TaskSettings, 'estimator' | 'scores'>): (score: number) => number {
  const estimate = certaintyEstimator(estimator, kind);
  const pair = new Float32Array(2);
  return (score) => {
    pair[0] = kind === 'logits' ? 0 : 1 - score;
    pair[1] = score;
    return estimate(pair, 0, 2);
  };
}
