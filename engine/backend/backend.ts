import type { Observable } from 'rxjs';
import type { Dtype, Sample, TensorSpec } from '../tensor/tensor.ts';

/** A model as a backend needs it. */
export interface ModelFile {
  readonly name: string;
  /** Identifies it to `run` and `unload`; two versions of a model have different keys. Default: its name. */
  readonly key?: string;
  /** Absolute path of the ONNX file; for a model that exists only on servers, its name in messages. */
  readonly file: string;
  /** Its name on servers of the Open Inference Protocol that have it. */
  readonly remote?: RemoteModelName | undefined;
  /** Output that is read as scores; default: see `chooseScores`. */
  readonly output?: string | undefined;
  /** Input of the model -> input of the family, where the names differ. */
  readonly inputs?: Readonly<Record<string, string>> | undefined;
}

/** A model on a server of the Open Inference Protocol. */
export interface RemoteModelName {
  readonly name: string;
  /** Default: the server's choice. */
  readonly version?: string | undefined;
  /** Output that is read as scores on the server; default: as in the file. */
  readonly output?: string | undefined;
}

/** What a model file declares. */
export interface ModelInterface {
  /** By the family's names. */
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly OutputSpec[];
  /** Batch size, if the graph fixes it: smaller batches are padded. Undefined: any size. */
  readonly fixedBatch?: number | undefined;
  /** The graph's class names, in the order of the scores, if it has them. Set by `readModelInterface` only. */
  readonly classLabels?: readonly (string | number)[];
}

/** One output of a model as its file declares it. */
export interface OutputSpec {
  readonly name: string;
  /** ONNX name of the element type, such as `float32` or `string`; or what the output is, if not a tensor. */
  readonly type: string;
  /** Without the batch axis; `null` for a length known only at run time. Undefined: the file does not say. */
  readonly shape: readonly (number | null)[] | undefined;
}

/** A float output that is read with each batch in addition to the scores. */
export interface AuxiliaryOutput {
  readonly name: string;
  /** What it holds, for error messages. */
  readonly holds: string;
}

/** Class scores of one batch. */
export interface BatchOutput {
  /** Row-major [batch, classes]. */
  readonly scores: Float32Array;
  readonly classes: number;
  /** Row-major [batch, columns] of the auxiliary output, if one is read; it usually has one column. */
  readonly auxiliary: Float32Array | undefined;
  /** Time for which the batch occupied the inference thread, from request to output. */
  readonly computeMs: number;
  /** The requested outputs, in the requested order. */
  readonly outputs?: readonly OutputTensor[] | undefined;
}

/** An output of a batch, of any element type. */
export interface OutputTensor {
  readonly name: string;
  readonly dtype: Dtype;
  /** Without the batch axis. */
  readonly shape: readonly number[];
  /** Row-major [batch, ...shape], little-endian; strings are encoded as in strings.ts. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/**
 * Runs models on one device, one inference at a time, off the caller's event loop. It returns Observables, not promises, so that an
 * emulated backend answers at the exact time under a virtual clock.
 */
export interface Backend {
  readonly emulated: boolean;
  /** The operating system's id of the inference thread, once it is known and if there is one. */
  readonly thread?: number | undefined;
  /** Loads a model; emits its interface once and completes. Errors with ConfigError if the model cannot be loaded. */
  load(model: ModelFile): Observable<ModelInterface>;
  /**
   * Runs one batch; emits once and completes.
   * @param model its key.
   * @param outputs names of outputs to return in addition to the scores.
   * Errors with CascadeError INTERNAL if the model fails on the batch. Errors with INVALID_ARGUMENT if the model has no such output,
   * or has answered other batches and fails on a single sample, for example on a token outside its vocabulary.
   */
  run(model: string, batch: readonly Sample[], outputs?: readonly string[]): Observable<BatchOutput>;
  unload(model: string): Observable<void>;
  /**
   * For models that run on a server: errors with CascadeError UNAVAILABLE when the server is lost, and emits nothing. Batches that
   * are running then fail with UNAVAILABLE too; their samples are not to blame.
   */
  readonly lost$?: Observable<never>;
  /** Ends the worker after the current inference. */
  close(): Promise<void>;
}
