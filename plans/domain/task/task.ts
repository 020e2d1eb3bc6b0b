import type { Prediction } from '../../protocol/messages.ts';
import type { Estimator, ScoreKind, TaskName } from '../deployment/model-entry.ts';

/** The truth about a sample: its class, a 0 or 1 per label, or the values to predict. */
export type Truth = ArrayLike<number>;

/** How to interpret the scores of a family. One file per task; all are pure. */
export interface Task {
  /** Prediction from a row of scores, `scores[offset .. offset + columns)`, all of which must be numbers. */
  predict(scores: Float32Array, offset: number, columns: number): Prediction;
  /** Certainty of that prediction, by the estimator. @throws Error when the task has no scores to estimate from. */
  certainty(scores: Float32Array, offset: number, columns: number): number;
  /** Quality of a prediction in [0, 1]; accuracy is its mean. */
  quality(prediction: Prediction, truth: Truth): number;
  /** Agreement of two models' predictions in [0, 1]; undefined when predictions cannot be compared. */
  agreement(a: Prediction, b: Prediction): number | undefined;
}

export interface TaskSettings {
  readonly task: TaskName;
  readonly estimator: Estimator;
  readonly scores: ScoreKind;
  /** For regression, in the unit of its values. */
  readonly tolerance?: number | undefined;
}
