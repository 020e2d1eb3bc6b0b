import type { Prediction } from '../../protocol/messages.ts';
import type { Estimator, ScoreKind, TaskName } from '../deployment/model-entry.ts';

/** What is true of a sample: its class; a 0 or 1 per label; or the values to be predicted. */
export type Truth = ArrayLike<number>;

/** What the scores of a family mean. One file per task; all are pure. */
export interface Task {
  /** What a row of scores says of its sample: `scores[offset .. offset + columns)`, all of them numbers. */
  predict(scores: Float32Array, offset: number, columns: number): Prediction;
  /** How certain that is, by the estimator. @throws Error where the task has no scores to estimate from. */
  certainty(scores: Float32Array, offset: number, columns: number): number;
  /** How good a prediction is, in [0, 1]; accuracy is its mean. */
  quality(prediction: Prediction, truth: Truth): number;
  /** How far two models' predictions agree, in [0, 1]; undefined where predictions cannot be compared. */
  agreement(a: Prediction, b: Prediction): number | undefined;
}

export interface TaskSettings {
  readonly task: TaskName;
  readonly estimator: Estimator;
  readonly scores: ScoreKind;
  /** Of regression, in the unit of its values. */
  readonly tolerance?: number | undefined;
}
