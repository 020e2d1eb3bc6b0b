import type { Backend } from '../../engine/backend/backend.ts';
import { createEmulatedBackend } from '../../engine/backend/emulated-backend.ts';
import type { Clock } from '../../engine/clock.ts';
import type { Sample } from '../../engine/tensor/tensor.ts';
import type { Profile } from '../../plans/domain/profile/profile.ts';
import { emulatedModels } from '../../plans/synthetic/emulated-records.ts';

/** The number that a sample of a synthetic family holds. */
export function numberOf([{ data }]: Sample): number {
  return new DataView(data.buffer, data.byteOffset).getInt32(0, true);
}

/**
 * An emulated device that gives the answers of a synthetic profile.
 * @param slowdown current factor on the profiled time of batches.
 */
export function emulatedDevice(
  profile: Profile,
  deviceClass: string,
  clock: Clock,
  options: { readonly slowdown?: () => number; readonly recordOf?: (sample: Sample) => number } = {},
): Backend {
  return createEmulatedBackend({
    clock,
    models: emulatedModels(profile, deviceClass),
    classes: profile.classes,
    inputs: profile.inputs,
    recordOf: numberOf,
    ...options,
  });
}
