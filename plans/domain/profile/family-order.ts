import { largestBatch, type ModelProfile, type RuntimeCurve, runtimeMs } from './profile.ts';

/** Time that a sample takes in the largest batches: what a model costs where it counts, under load. */
function sampleMs(curve: RuntimeCurve): number {
  const batch = largestBatch(curve);
  return runtimeMs(curve, batch) / batch;
}

/**
 * The family, cheapest first by measured time, in whatever order its models were listed.
 * @param deviceClass whose times count, where the profile has them.
 */
export function inFamilyOrder<M extends Pick<ModelProfile, 'name' | 'runtimes'>>(
  models: readonly M[],
  deviceClass: string,
): readonly M[] {
  const cost = ({ runtimes }: M): number => sampleMs(runtimes[deviceClass] ?? Object.values(runtimes)[0]);
  // Models that take the same time stand in the same order, too, however they were listed.
  return models.toSorted((a, b) => cost(a) - cost(b) || (a.name < b.name ? -1 : 1));
}
