import type { Sample, TensorSpec } from '../../../engine/tensor/tensor.ts';

/** Measured inference time of one model on one kind of device, by batch size (ascending, from 1). */
export interface RuntimeCurve {
  readonly batch: readonly number[];
  /** Median time that a batch occupies the inference thread; if samples differ in size, the mean over the validation samples. */
  readonly ms: readonly number[];
  /** If samples differ in size (see `sampleSize`): times by batch size for samples of one size, ascending from the smallest. */
  readonly bySize?: readonly { readonly size: number; readonly ms: readonly number[] }[] | undefined;
}

/** What the simulator needs to know about the samples of a family that differ in size. */
export interface SampleSizes {
  /** Per validation sample: samples with the same number may share a batch (see `batchKeyRule`). */
  readonly batchKey: Int32Array;
  /** See `sampleSize`. */
  readonly size: Int32Array;
}

/** Stands for the memory of a model on a server, which does not report it: so small that it always fits. */
export const UNKNOWN_BYTES = 1;

export interface ModelProfile {
  readonly name: string;
  /** Digest of the model file. */
  readonly digest: string;
  /** Memory of one loaded replica. */
  readonly memoryBytes: number;
  /** By device class (see `deviceClass`): `cpu-1` is one core, `cuda`, `emulated:<name>`. */
  readonly runtimes: Readonly<Record<string, RuntimeCurve>>;
  /** Per validation sample: the class that the model predicts; 0 when the task has no classes. */
  readonly predictions: Int32Array;
  /** Per validation sample; -Infinity when the model gave NaN, which is never certain, whatever the threshold. */
  readonly certainties: Float32Array;
  /** Per validation sample: quality of the answer in [0, 1]; for classes, 1 if it is right, else 0. */
  readonly quality: Float32Array;
  /** When answers are not classes: the scores or values that they are read from, [samples, columns]. */
  readonly scores?: Float32Array | undefined;
  /** Output that the scores were read from. */
  readonly output?: string | undefined;
  /** All outputs of the model. */
  readonly outputs?: readonly string[] | undefined;
}

/** Serving costs other than inference, calibrated once per machine. */
export interface Overhead {
  /** Device time per triggered batch, and per request in it, outside inference. */
  readonly perBatchMs: number;
  readonly perRequestMs: number;
  /** One-way time of a message between two processes. */
  readonly hopMs: number;
  /** From the frontend to the device; default: a hop. Close to nothing when device processes accept requests themselves. */
  readonly handoffMs?: number;
  /** Time for all frontends together to take one request off the network, serially; default: none. */
  readonly intakeMs?: number;
  /** Extra time of the first batch on an idle device, because processes and processors sleep; default: none. */
  readonly wakeMs?: number;
  /** Mean extra time of an answer beyond a hop, exponentially distributed, while its reader waits for a processor. Default: none. */
  readonly jitterMs?: number;
  /**
   * Processor time per request that clients, server and frontends on the same machine take from the cores on which the models run. It
   * slows inference by that share of the time. Default: none.
   */
  readonly contentionMs?: number;
}

/** Minimum time a request spends between processes: to the frontend, to the device, and back. */
export function wayMs({ hopMs, handoffMs = hopMs }: Overhead): number {
  return 2 * hopMs + handoffMs;
}

/** What `profile` measures and all offline commands start from. Models are in family order, cheapest first. */
export interface Profile {
  readonly schema: 2;
  readonly deployment: string;
  /** Digest of what was profiled: models, data, certainty, devices. A profile that does not match is refused. */
  readonly digest: string;
  /** True when runtimes or answers are made up (emulated devices, synthetic families); shown wherever figures are. */
  readonly synthetic: boolean;
  readonly machine: string;
  readonly inputs: readonly TensorSpec[];
  /** Samples for warming up replicas: see `warmUpSamples`. None in a synthetic family. */
  readonly warmUp: readonly Sample[];
  /** Number of classes, labels or values. */
  readonly classes: number;
  /** Their names, if the deployment, the models or the labels have them. */
  readonly classNames?: readonly string[] | undefined;
  /** Set when samples differ in size. */
  readonly sizes?: SampleSizes | undefined;
  /** Digest of the choice of samples from the data (see `splitDigest`). */
  readonly split: string;
  /** True classes of the validation samples; all 0 when the task has no classes. */
  readonly labels: Int32Array;
  readonly models: readonly ModelProfile[];
  readonly overhead: Overhead;
  /** Set when a calibration has corrected runtimes and overhead; never in a profile's file. */
  readonly correction?: Correction;
}

/** The correction applied to a profile. */
export interface Correction {
  /** When it was measured. */
  readonly date: string;
  /** Digest of the factors: plans made with different corrections are different plans. */
  readonly digest: string;
  /** Device class -> inference time as served, divided by the profile's. */
  readonly inference: Readonly<Record<string, number>>;
}

/** Mean quality of a model's answers on the validation samples; for classes, the fraction it classifies correctly. */
export function accuracyOf({ quality }: Pick<ModelProfile, 'quality'>): number {
  return quality.reduce((sum, value) => sum + value, 0) / quality.length;
}

/**
 * Time of a batch: linear between the measured sizes and, beyond the largest, with the last slope (CascadeServe App. C).
 * @param sampleSize of the largest sample in the batch, if samples differ in size; default: typical.
 */
export function runtimeMs({ batch: batches, ms, bySize }: RuntimeCurve, batch: number, sampleSize?: number): number {
  if (sampleSize === undefined || bySize === undefined) return along(batches, ms, batch);
  const last = bySize.length - 1;
  const at = (i: number): number => along(batches, bySize[i].ms, batch);
  if (sampleSize <= bySize[0].size) return at(0);
  // Attention is quadratic in the length; a device with an unmeasured long sample must not be mistaken for one that hangs.
  if (sampleSize > bySize[last].size) return at(last) * (sampleSize / bySize[last].size) ** 2;
  let i = 1;
  while (bySize[i].size < sampleSize) i++;
  const [low, high] = [at(i - 1), at(i)];
  return low + ((high - low) * (sampleSize - bySize[i - 1].size)) / (bySize[i].size - bySize[i - 1].size);
}

function along(batches: readonly number[], ms: readonly number[], batch: number): number {
  const last = batches.length - 1;
  if (last === 0) return (ms[0] * batch) / batches[0];
  let i = 1;
  while (i < last && batches[i] < batch) i++;
  const slope = (ms[i] - ms[i - 1]) / (batches[i] - batches[i - 1]);
  return ms[i - 1] + slope * (batch - batches[i - 1]);
}

/** False for a sample larger than any that was measured. */
export function isProfiledSize({ bySize }: RuntimeCurve, sampleSize: number | undefined): boolean {
  return sampleSize === undefined || bySize === undefined || sampleSize <= bySize[bySize.length - 1].size;
}

/** The same curve with each time mapped. */
export function mapTimes({ batch, ms, bySize }: RuntimeCurve, map: (ms: number) => number): RuntimeCurve {
  const times = bySize?.map((each) => ({ size: each.size, ms: each.ms.map(map) }));
  return { batch, ms: ms.map(map), ...(times === undefined ? {} : { bySize: times }) };
}

/** Largest profiled batch: no trigger starts a larger one. */
export function largestBatch(curve: RuntimeCurve): number {
  return curve.batch[curve.batch.length - 1];
}
