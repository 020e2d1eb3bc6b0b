import { batchMs, batchTable, type PlanDevice } from '../domain/profile/batch-cost.ts';
import type { Profile, SampleSizes } from '../domain/profile/profile.ts';

/** Models, devices and validation records by number: everything that the simulator looks up while it runs. */
export interface SimulatedSystem {
  readonly modelNames: readonly string[];
  readonly deviceNames: readonly string[];
  readonly models: number;
  readonly devices: number;
  readonly samples: number;
  /** [model * devices + device]: device time by batch size, up to the batch limit; undefined when the device cannot run the model. */
  readonly batchMs: readonly (Float64Array | undefined)[];
  /** Set when samples differ in size: who may share a batch, and per replica the device time of a batch of a sample size. */
  readonly sizes: SampleSizes | undefined;
  readonly sizedMs: readonly ((batch: number, sampleSize: number) => number)[];
  /** [model * samples + sample] */
  readonly certainty: Float32Array;
  /** [model * samples + sample]: quality of the model's answer, in [0, 1]. */
  readonly quality: Float32Array;
  readonly hopMs: number;
  /** See `Overhead`. */
  readonly handoffMs: number;
  readonly intakeMs: number;
  readonly wakeMs: number;
  readonly jitterMs: number;
  readonly contentionMs: number;
}

/** @param maxBatch per model, from the deployment. */
export function simulatedSystem(
  profile: Profile,
  devices: readonly PlanDevice[],
  maxBatch: readonly (number | undefined)[],
): SimulatedSystem {
  const { hopMs, handoffMs = hopMs, intakeMs = 0, wakeMs = 0, jitterMs = 0, contentionMs = 0 } = profile.overhead;
  const samples = profile.models[0].quality.length;
  const models = profile.models.length;
  const certainty = new Float32Array(models * samples);
  const quality = new Float32Array(models * samples);
  profile.models.forEach((model, m) => {
    certainty.set(model.certainties, m * samples);
    quality.set(model.quality, m * samples);
  });
  // Devices of a class share their tables.
  const tables = profile.models.map((_, m) => {
    const byClass = new Map<string, Float64Array | undefined>();
    return devices.map(({ deviceClass }) => {
      if (!byClass.has(deviceClass)) byClass.set(deviceClass, batchTable(profile, m, deviceClass, maxBatch[m]));
      return byClass.get(deviceClass);
    });
  });
  return {
    modelNames: profile.models.map((model) => model.name),
    deviceNames: devices.map((device) => device.id),
    models,
    devices: devices.length,
    samples,
    batchMs: tables.flat(),
    sizes: profile.sizes,
    sizedMs: profile.models.flatMap(({ runtimes }) =>
      devices.map(
        ({ deviceClass }) =>
          (batch: number, sampleSize: number) =>
            batchMs(runtimes[deviceClass], profile.overhead, batch, sampleSize),
      ),
    ),
    certainty,
    quality,
    hopMs,
    handoffMs,
    intakeMs,
    wakeMs,
    jitterMs,
    contentionMs,
  };
}
