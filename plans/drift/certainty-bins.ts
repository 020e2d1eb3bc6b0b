import { NO_NUMBER } from '../domain/cascade/certainty.ts';
import type { Gear } from '../domain/gear-plan/gear-plan.ts';
import type { Profile } from '../domain/profile/profile.ts';

export const CERTAINTY_BINS = 20;

/**
 * Inner edges of the bins of a model's certainties, ascending. They are quantiles over the validation samples, because certainties
 * crowd near 1, where even bins would see nothing, and may exceed 1 (`logit-margin`).
 */
export function certaintyEdges(certainties: Float32Array): Float64Array {
  const sorted = certainties.filter((certainty) => certainty !== NO_NUMBER).sort();
  return Float64Array.from(
    { length: CERTAINTY_BINS - 1 },
    (_, edge) => sorted[Math.min(sorted.length - 1, Math.round(((edge + 1) * sorted.length) / CERTAINTY_BINS))] ?? 0,
  );
}

/** Number of edges that are not above a certainty, which is in single precision live, too (see `Judgement`). */
export function certaintyBin(edges: ArrayLike<number>, certainty: number): number {
  let low = 0;
  let high = edges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (edges[middle] <= certainty) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Per stage of a gear's cascade: shares of the bins among the validation samples that reach it; all 0 when none does. */
export function expectedBins(
  { cascade }: Pick<Gear, 'cascade'>,
  profile: Pick<Profile, 'models'>,
  edges: readonly Float64Array[],
): Float64Array[] {
  const models = cascade.map(({ model }) => profile.models.findIndex(({ name }) => name === model));
  const bins = cascade.map(() => new Float64Array(CERTAINTY_BINS));
  const reached = cascade.map(() => 0);
  const samples = profile.models[0].certainties.length;
  for (let sample = 0; sample < samples; sample++) {
    for (let stage = 0; stage < cascade.length; stage++) {
      const certainty = profile.models[models[stage]].certainties[sample];
      // Devices do not count them either, and later stages get no opinion of this model with the sample.
      if (certainty === NO_NUMBER) break;
      bins[stage][certaintyBin(edges[models[stage]], certainty)]++;
      reached[stage]++;
      if (certainty >= (cascade[stage].threshold ?? Number.NEGATIVE_INFINITY)) break;
    }
  }
  return bins.map((counts, stage) => (reached[stage] === 0 ? counts : counts.map((count) => count / reached[stage])));
}
