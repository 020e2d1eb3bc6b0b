import type { Profile } from '../../domain/profile/profile.ts';

/** What a vote needs to know of a family. */
export type VotingFamily = Pick<Profile, 'labels' | 'classes'> & {
  readonly models: readonly Pick<Profile['models'][number], 'name' | 'predictions' | 'quality'>[];
};

/** Whether answers are classes that are right or wrong: only these can be voted on. */
export function canVote({ models, labels }: VotingFamily): boolean {
  return models.every(({ predictions, quality }) => quality.every((value, i) => value === Number(predictions[i] === labels[i])));
}

/**
 * Weighted majority of some models (Cocktail, NSDI 2022): each votes for its class with the accuracy that it has on the samples that
 * it gives this class; of equal sums the larger model's class wins.
 * @param members models by number, cheapest first.
 * @param weighedOn the family's answers to the samples that the weights come from; by default those that are voted on.
 * @returns per sample 1 where the vote is right, else 0.
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

/** Per class: share of the samples given this class that are of it; one more of each kind, so that a rare class is not certain. */
function classAccuracies(predictions: Int32Array, labels: Int32Array, classes: number): Float64Array {
  const given = new Float64Array(classes).fill(2);
  const right = new Float64Array(classes).fill(1);
  for (let i = 0; i < labels.length; i++) {
    given[predictions[i]]++;
    if (predictions[i] === labels[i]) right[predictions[i]]++;
  }
  return right.map((count, k) => count / given[k]);
}
