import type { ModelProfile, Profile } from '../domain/profile/profile.ts';

/** A profile's samples in two halves: what is chosen on samples, such as thresholds, looks better on them than it is. */
export interface Halves {
  /** What strategies plan, search and weigh votes with. */
  readonly chosenOn: Profile;
  /** What all are judged by. */
  readonly judgedOn: Profile;
}

/** Every other sample to either half, in order; one left over to the first. */
export function halves(profile: Profile): Halves {
  return { chosenOn: everyOther(profile, 0), judgedOn: everyOther(profile, 1) };
}

function everyOther(profile: Profile, first: 0 | 1): Profile {
  const samples = profile.labels.length;
  const isIn = (sample: number): boolean => sample % 2 === first;
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
        company: profile.sizes.company.filter((_, i) => isIn(i)),
        size: profile.sizes.size.filter((_, i) => isIn(i)),
      },
    }),
  };
}
