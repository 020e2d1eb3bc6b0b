import { createRandom } from '../../engine/random.ts';
import { shuffled } from '../data/shuffled.ts';
import type { ModelProfile, Profile } from '../domain/profile/profile.ts';

/**
 * A profile's samples in two halves, because anything chosen on samples, such as thresholds, looks too good on them. Only the choice
 * among a strategy's candidates is made on the half that judges, for every strategy alike.
 */
export interface Halves {
  /** Strategies make their candidates with these: plans, ensembles, weights of votes. */
  readonly chosenOn: Profile;
  /** All candidates are judged on these, and the best of each strategy are reported. */
  readonly judgedOn: Profile;
}

/**
 * Splits the samples at random, always in the same way. Not by taking every other sample: profiles cycle through the classes, so the
 * halves would hold different classes.
 */
export function halves(profile: Profile): Halves {
  const samples = profile.labels.length;
  const chosen = new Uint8Array(samples);
  for (const sample of shuffled(samples, createRandom('halves')).subarray(0, Math.ceil(samples / 2))) chosen[sample] = 1;
  return {
    chosenOn: samplesOf(profile, (sample) => chosen[sample] === 1),
    judgedOn: samplesOf(profile, (sample) => chosen[sample] === 0),
  };
}

function samplesOf(profile: Profile, isIn: (sample: number) => boolean): Profile {
  const samples = profile.labels.length;
  const model = ({ predictions, certainties, quality, scores, ...rest }: ModelProfile): ModelProfile => {
    const columns = scores === undefined ? 0 : scores.length / samples;
    return {
      ...rest,
      predictions: predictions.filter((_, i) => isIn(i)),
      certainties: certainties.filter((_, i) => isIn(i)),
      quality: quality.filter((_, i) => isIn(i)),
      ...(scores && { scores: scores.filter((_, i) => isIn(Math.floor(i / columns))) }),
    };
  };
  return {
    ...profile,
    labels: profile.labels.filter((_, i) => isIn(i)),
    models: profile.models.map(model),
    ...(profile.sizes && {
      sizes: {
        batchKey: profile.sizes.batchKey.filter((_, i) => isIn(i)),
        size: profile.sizes.size.filter((_, i) => isIn(i)),
      },
    }),
  };
}
