import type { Sample } from '../../engine/tensor/tensor.ts';
import type { Queued } from './batcher.ts';
import type { InForce } from './model-replica.ts';
import type { DeviceWeights } from './weights/device-weights.ts';

/** An order to run an inference for requests. */
export interface BatchOrder extends InForce {
  readonly type: 'batch';
  readonly model: number;
  /** The weights in force when the inference started; a new plan may have replaced them since. */
  readonly weights: DeviceWeights;
  readonly requests: readonly Queued[];
  readonly samples: readonly Sample[];
  /** Names of all outputs that the requests ask for. */
  readonly outputs: readonly string[];
  /** A request that may have killed a device runs alone, and frontends must know before it starts. */
  readonly isTrial: boolean;
  readonly startedAt: number;
  readonly plannedMs: number;
  /** Size of the largest sample, if samples differ in size. */
  readonly sampleSize: number | undefined;
}

/** An order to run an inference in spare time. */
export interface SpareOrder {
  readonly type: 'spare';
  /** Key of the weights. */
  readonly key: string;
  readonly sample: Sample;
}
