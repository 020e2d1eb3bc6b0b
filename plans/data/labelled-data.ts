import type { Sample, TensorSpec } from '../../engine/tensor/tensor.ts';
import type { Prediction } from '../protocol/messages.ts';

/** The deployment's samples. Some are for profiling and planning, the rest for load tests (see `splitSamples`). */
export interface LabelledData {
  readonly count: number;
  /** Inputs of a sample, in this order. */
  readonly specs: readonly TensorSpec[];
  sample(index: number): Sample;
  /** Class of each sample; undefined without labels, and where the task has no classes. */
  readonly labels: Int32Array | undefined;
  /** Names of the classes, as the deployment, the models or the labels say. */
  readonly classes?: readonly string[] | undefined;
  /** Numbers that are true of a sample, such as its labels or values; undefined where none are known. */
  readonly targetWidth?: number | undefined;
  /** How good a model's answer to a sample is, in [0, 1]; null where nobody knows. */
  qualityOf(index: number, model: string, prediction: Prediction): number | null;
  /**
   * Indices of samples. All samples are for load tests too when validation takes all; with emulated devices the
   * validation samples are, as only their answers are recorded. Record i of a profile is of sample `validation[i]`.
   */
  readonly validation: Int32Array;
  readonly load: Int32Array;
}
