import type { Sample, TensorSpec } from '../../engine/tensor/tensor.ts';
import type { Prediction } from '../protocol/messages.ts';

/** The deployment's samples. Some are for profiling and planning, the others for load tests (see `splitSamples`). */
export interface LabelledData {
  readonly count: number;
  /** Inputs of a sample, in order. */
  readonly specs: readonly TensorSpec[];
  sample(index: number): Sample;
  /** Class of each sample; undefined without labels, or when the task has no classes. */
  readonly labels: Int32Array | undefined;
  /** Names of the classes, from the deployment, the models or the labels. */
  readonly classes?: readonly string[] | undefined;
  /** How many true values a sample has, such as labels; undefined when none are known. */
  readonly targetWidth?: number | undefined;
  /** Whether the quality of answers is known: from labels, or recorded. */
  readonly hasQuality: boolean;
  /** Quality of a model's answer to a sample, in [0, 1]; null when unknown. */
  qualityOf(index: number, model: string, prediction: Prediction): number | null;
  /**
   * Indices of samples. If validation uses all samples, load tests use all of them too. With emulated devices, load tests use the
   * validation samples, because only their answers are recorded. Record i of a profile belongs to sample `validation[i]`.
   */
  readonly validation: Int32Array;
  readonly load: Int32Array;
}
