import type { Profile } from '../../domain/profile/profile.ts';

/** The part of a family that a vote needs. */
export type VotingFamily = Pick<Profile, 'labels' | 'classes'> & {
  readonly models: readonly Pick<Profile['models'][number], 'name' | 'predictions' | 'quality'>[];
};

/** Whether models can vote: only on classes that are right or wrong. */
export function canVote({ models, labels }: VotingFamily): boolean {
  return models.every(({ predictions, quality }) => quality.every((value, i) => value === Number(predictions[i] === labels[i])));
}

/**
 * Weighted majority of some models (Cocktail, NSDI 2022): each vote is weighted by the model's accuracy on samples to which it gives
 * this class. In a tie the larger model's class wins.
 * @param members models by number, cheapest first.
 * @param weighedOn the family's answers to the samples that determine the weights; default: the samples of the vote.
 * @returns per sample 1 if the vote is right, otherwise 0.
 */
export function votedQuality(voters: VotingFamily, members: readonly number[], weighedOn = voters): Float32Array {
  const { models, labels, classes } = voters;
  const weights = members.map((member) => classAccuracies(weighedOn.models[member].predictions, weighedOn.labels, classes));
  const votes = new Float64Array(classes);
  return Float32Array.from(labels, (label, i) => {
    votes.fill(0);
    let best = -1;
    members.forEach((member, k) => {
      const given = models[member].predictions[i];
      votes[given] += weights[k][given];
    });
    for (const member of members) {
      const given = models[member].predictions[i];
      if (best === -1 || votes[given] >= votes[best]) best = given;
    }
    return best === label ? 1 : 0;
  });
}

/** Per class: its precision, smoothed with one sample more of each outcome so that a rare class is not certain. */
function classAccuracies(predictions: Int32Array, labels: Int32Array, classes: number): Float64Array {
  const given = new Float64Array(classes).fill(2);
  const right = new Float64Array(classes).fill(1);
  for (let i = 0; i < labels.length; i++) {
    given[predictions[i]]++;
    if (predictions[i] === labels[i]) right[predictions[i]]++;
  }
  return right.map((count, k) => count / given[k]);
}
