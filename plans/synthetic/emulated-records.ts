import { createHash } from 'node:crypto';
import type { EmulatedModel } from '../../engine/backend/emulated-backend.ts';
import { ConfigError } from '../../engine/errors.ts';
import type { Sample } from '../../engine/tensor/tensor.ts';
import { loadLabelledData } from '../data/load-labelled-data.ts';
import { splitDigest } from '../data/split.ts';
import { NO_NUMBER } from '../domain/cascade/certainty.ts';
import type { Deployment } from '../domain/deployment/deployment.ts';
import { type Profile, runtimeMs } from '../domain/profile/profile.ts';
import { sampleSize } from '../policy/batch-key.ts';

/** A family as run by emulated devices of one class: runtimes and answers come from the profile. */
export function emulatedModels(profile: Profile, deviceClass: string): EmulatedModel[] {
  const sizeOf = sampleSize(profile.inputs);
  const largest = (batch: readonly Sample[]): number | undefined =>
    sizeOf && batch.reduce((size, sample) => Math.max(size, sizeOf(sample)), 0);
  return profile.models.flatMap(({ name, runtimes, predictions, certainties, scores }) => {
    const curve = runtimes[deviceClass];
    const width = scores === undefined ? 0 : scores.length / certainties.length;
    return curve === undefined
      ? []
      : [
          {
            name,
            runtimeMs: (batch) => runtimeMs(curve, batch.length, largest(batch)),
            labelOf: (record) => predictions[record],
            auxiliaryOf: (record) => (certainties[record] === NO_NUMBER ? Number.NaN : certainties[record]),
            ...(scores === undefined ? {} : { scoresOf: (record) => scores.subarray(record * width, (record + 1) * width) }),
          },
        ];
  });
}

/**
 * Which record of the profile answers a sample. A synthetic sample is its own index. A real one is looked up by its bytes among the
 * validation samples; an unknown one always gets the answers of the same arbitrary record. That is right for load and latency but
 * meaningless as an answer, because emulated devices run no models.
 */
export function recordFinder(deployment: Deployment, profile: Profile): (sample: Sample) => number {
  const records = profile.labels.length;
  if (deployment.synthetic !== undefined) {
    return ([{ data }]) => {
      const index = new DataView(data.buffer, data.byteOffset, data.byteLength).getInt32(0, true);
      return ((index % records) + records) % records;
    };
  }
  const { sample, validation } = loadLabelledData(deployment, profile.inputs);
  requireSplit(profile, splitDigest({ validation }));
  const known = new Map<string, number>();
  for (const [record, index] of validation.entries()) known.set(digestOf(sample(index)), record);
  return (given) => {
    const digest = digestOf(given);
    return known.get(digest) ?? Number.parseInt(digest.slice(0, 8), 16) % records;
  };
}

/** Answers in a different order than the samples would belong to other samples. */
function requireSplit(profile: Profile, split: string): void {
  if (profile.split === split) return;
  throw new ConfigError(
    `the profile of ${profile.deployment} was recorded on other samples of the data; run \`cascade profile\` again`,
  );
}

function digestOf(sample: Sample): string {
  const hash = createHash('sha1');
  for (const { data } of sample) hash.update(data);
  return hash.digest('hex');
}
