import type { Prediction } from '../../protocol/messages.ts';
import { argmax, certaintyEstimator } from '../cascade/certainty.ts';
import type { Task, TaskSettings, Truth } from './task.ts';

/** One of several classes, with a score for each: the label is the class with the highest score. An answer is right or wrong. */
export function classification({ estimator, scores: kind }: Pick<TaskSettings, 'estimator' | 'scores'>): Task {
  return {
    predict: (scores, offset, columns) => ({ label: argmax(scores, offset, columns) }),
    certainty: certaintyEstimator(estimator, kind),
    quality: labelQuality,
    agreement: labelAgreement,
  };
}

export function labelQuality({ label }: Prediction, truth: Truth): number {
  return label === truth[0] ? 1 : 0;
}

export function labelAgreement(a: Prediction, b: Prediction): number {
  return a.label === b.label ? 1 : 0;
}
