import { firstValueFrom } from 'rxjs';
import type { Backend, BatchOutput } from '../../engine/backend/backend.ts';
import { CascadeError, ConfigError, messageOf } from '../../engine/errors.ts';
import type { Sample } from '../../engine/tensor/tensor.ts';

/** Batch sizes that a graph may hold inside. */
const FIXED_SIZES = [2, 3, 4, 5, 6, 7, 8, 16, 32];

/**
 * Runs one batch of the data.
 * @param indices of the samples in the data, for messages.
 * @throws ConfigError that distinguishes a bad sample from a model that cannot run batches.
 */
export async function runBatch(
  backend: Backend,
  model: string,
  samples: readonly Sample[],
  indices: ArrayLike<number>,
): Promise<BatchOutput> {
  try {
    return await firstValueFrom(backend.run(model, samples));
  } catch (error) {
    if (!(error instanceof CascadeError) || error.code === 'UNAVAILABLE') throw error;
    for (const [i, sample] of samples.entries()) await runAlone(backend, model, sample, indices[i]);
    throw new ConfigError(
      `model ${model} can run ${samples.length} samples one by one, but fails on them as a batch: ${error.message}; ` +
        'set `maxBatch: 1` for it, or export it without a fixed batch size inside, such as in a Reshape',
    );
  }
}

async function runAlone(backend: Backend, model: string, sample: Sample, index: number): Promise<void> {
  try {
    await firstValueFrom(backend.run(model, [sample]));
  } catch (error) {
    const size =
      error instanceof CascadeError && error.code !== 'UNAVAILABLE' ? await sizeThatRuns(backend, model, sample) : undefined;
    throw new ConfigError(
      size === undefined
        ? `sample ${index} of the data: ${messageOf(error)}`
        : `model ${model} fails on one sample, but runs on ${size}: ${messageOf(error)}; its graph holds a fixed batch size inside, ` +
            `such as in a Reshape: export it without, or with its batch axis fixed at ${size}`,
    );
  }
}

/** A batch size that works although one sample alone does not. */
async function sizeThatRuns(backend: Backend, model: string, sample: Sample): Promise<number | undefined> {
  for (const size of FIXED_SIZES) {
    try {
      await firstValueFrom(backend.run(model, new Array<Sample>(size).fill(sample)));
      return size;
    } catch (error) {
      if (!(error instanceof CascadeError) || error.code === 'UNAVAILABLE') throw error;
    }
  }
  return undefined;
}
