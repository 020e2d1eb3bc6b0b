import type { Sample } from '../../engine/tensor/tensor.ts';
import type { Queued } from './batcher.ts';
import type { InForce } from './model-replica.ts';
import type { DeviceWeights } from './weights/device-weights.ts';

/** An inference that is to be run for requests. */
export interface BatchOrder extends InForce {
  readonly type: 'batch';
  readonly model: number;
  /** Those in force when it was begun: another plan, of other weights, may have come into force since. */
  readonly weights: DeviceWeights;
  readonly requests: readonly Queued[];
  readonly samples: readonly Sample[];
  /** Names of the outputs that its requests ask for. */
  readonly outputs: readonly string[];
  /** A request that may have killed a device runs, alone: the frontends have to know before it does. */
  readonly isTrial: boolean;
  readonly startedAt: number;
  readonly plannedMs: number;
  /** Of its largest sample, where samples differ in size. */
  readonly sampleSize: number | undefined;
}

/** An inference in spare time. */
export interface SpareOrder {
  readonly type: 'spare';
  /** Of the weights. */
  readonly key: string;
  readonly sample: Sample;
}
