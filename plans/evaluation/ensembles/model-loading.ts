import type { Profile } from '../../domain/profile/profile.ts';

/** From disk to the memory of a device: 2 GB/s, a fast local disk. Loading over a network is slower. */
const BYTES_PER_MS = 2e6;
/** Batches of the largest size that warm a replica up before it takes requests. */
const WARM_UP_BATCHES = 10;

/** Time that a device takes to load models one after the other and warm them up; it serves nothing meanwhile. */
export function loadingMs(models: readonly number[], deviceClass: string, profile: Pick<Profile, 'models'>): number {
  return models.reduce((sum, model) => {
    const { memoryBytes, runtimes } = profile.models[model];
    const largestMs = runtimes[deviceClass]?.ms.at(-1) ?? 0;
    return sum + memoryBytes / BYTES_PER_MS + WARM_UP_BATCHES * largestMs;
  }, 0);
}
