import type { Observable } from 'rxjs';
import type { Dtype, Sample, TensorSpec } from '../tensor/tensor.ts';

/** A model as a backend needs it. */
export interface ModelFile {
  readonly name: string;
  /** What it is run and unloaded by: two versions of a model have two. Default: its name. */
  readonly key?: string;
  /** Absolute path of the ONNX file; of a model that is only on servers, what to call it in messages. */
  readonly file: string;
  /** What servers of the Open Inference Protocol call it, where they have it. */
  readonly remote?: RemoteModelName | undefined;
  /** Output that is read as scores; default: see `chooseScores`. */
  readonly output?: string | undefined;
  /** Input of the model -> input of the family, where they have other names. */
  readonly inputs?: Readonly<Record<string, string>> | undefined;
}

/** A model on a server of the Open Inference Protocol. */
export interface RemoteModelName {
  readonly name: string;
  /** Default: the server's choice. */
  readonly version?: string | undefined;
  /** Output that is read as scores there; default: as in the file. */
  readonly output?: string | undefined;
}

/** What a model file says of itself. */
export interface ModelInterface {
  /** By the family's names. */
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly OutputSpec[];
  /** Samples in a batch, where the graph fixes it: smaller batches are filled up. Undefined: any number. */
  readonly fixedBatch?: number | undefined;
  /** What the graph calls its classes, in the order of the scores; only from `readModelInterface`, and where it says so. */
  readonly classLabels?: readonly (string | number)[];
}

/** One output of a model as its file declares it. */
export interface OutputSpec {
  readonly name: string;
  /** ONNX name of the element type, such as `float32` or `string`; or what it is instead of a tensor. */
  readonly type: string;
  /** Without the batch axis; `null` is known at run time only. Undefined: the file does not say. */
  readonly shape: readonly (number | null)[] | undefined;
}

/** An output of floats that is read with each batch, beside the scores. */
export interface AuxiliaryOutput {
  readonly name: string;
  /** What it holds, as errors call it. */
  readonly holds: string;
}

/** Class scores of one batch. */
export interface BatchOutput {
  /** Row-major [batch, classes]. */
  readonly scores: Float32Array;
  readonly classes: number;
  /** Row-major [batch, columns] of the auxiliary output, where one is read; as a rule it has one column. */
  readonly auxiliary: Float32Array | undefined;
  /** Time that the batch occupied the inference thread, from its order to its output. */
  readonly computeMs: number;
  /** Those that were asked for, in that order. */
  readonly outputs?: readonly OutputTensor[] | undefined;
}

/** An output of a batch, whatever it holds. */
export interface OutputTensor {
  readonly name: string;
  readonly dtype: Dtype;
  /** Without the batch axis. */
  readonly shape: readonly number[];
  /** Row-major [batch, ...shape], little-endian; strings as strings.ts has them. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/**
 * Runs models on one device, one inference at a time, off the caller's event loop. Observables, not promises, so that an emulated backend under a virtual clock answers at its exact time.
 */
export interface Backend {
  readonly emulated: boolean;
  /** The system's number of the inference thread, once it is known and where there is one. */
  readonly thread?: number | undefined;
  /** Loads a model; emits its interface once and completes. Errors with ConfigError when it cannot be loaded. */
  load(model: ModelFile): Observable<ModelInterface>;
  /**
   * Runs one batch; emits once and completes.
   * @param model its key.
   * @param outputs names of outputs to give beside the scores.
   * Errors with CascadeError INTERNAL when the model fails on it; INVALID_ARGUMENT when it has answered others and fails on a
   * single sample, as on a token beyond its vocabulary, or has no such output.
   */
  run(model: string, batch: readonly Sample[], outputs?: readonly string[]): Observable<BatchOutput>;
  unload(model: string): Observable<void>;
  /**
   * Where models run somewhere else: errors with CascadeError UNAVAILABLE when that cannot be reached any more, and emits nothing.
   * What runs then fails with it, too, and is not to blame.
   */
  readonly lost$?: Observable<never>;
  /** Ends the worker after the inference that runs. */
  close(): Promise<void>;
}
