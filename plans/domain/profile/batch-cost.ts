import { largestBatch, type Overhead, type Profile, type RuntimeCurve, runtimeMs } from './profile.ts';

/** A device as planner and simulator see it. */
export interface PlanDevice {
  readonly id: string;
  /** Key into the runtimes of a model's profile; devices of one class are interchangeable. */
  readonly deviceClass: string;
  readonly memoryBytes: number;
}

/**
 * How long a triggered batch occupies a device: inference plus serving overhead.
 * @param sampleSize of its largest sample; default: typical.
 */
export function batchMs(curve: RuntimeCurve, overhead: Overhead, batch: number, sampleSize?: number): number {
  return runtimeMs(curve, batch, sampleSize) + overhead.perBatchMs + batch * overhead.perRequestMs;
}

/** Largest batch that a trigger starts: profiled, and allowed by the deployment. */
function batchLimit(curve: RuntimeCurve, maxBatch: number | undefined): number {
  return Math.max(1, Math.min(largestBatch(curve), maxBatch ?? Number.POSITIVE_INFINITY));
}

/**
 * Device time by batch size for one model on one device class: index n holds the time of a batch of n, from 1 to the limit.
 * @returns undefined when the model was not profiled on that class, and so cannot be placed there.
 */
export function batchTable(
  profile: Profile,
  model: number,
  deviceClass: string,
  maxBatch: number | undefined,
): Float64Array | undefined {
  const curve = profile.models[model].runtimes[deviceClass];
  if (curve === undefined) return undefined;
  return Float64Array.from({ length: batchLimit(curve, maxBatch) + 1 }, (_, n) =>
    n === 0 ? 0 : batchMs(curve, profile.overhead, n),
  );
}
