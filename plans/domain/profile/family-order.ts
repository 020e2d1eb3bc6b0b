import { largestBatch, type ModelProfile, type RuntimeCurve, runtimeMs } from './profile.ts';

/** Time per sample in the largest batches: what a model costs when it matters, under load. */
function sampleMs(curve: RuntimeCurve): number {
  const batch = largestBatch(curve);
  return runtimeMs(curve, batch) / batch;
}

/**
 * The family in order of measured cost, cheapest first, whatever order its models were listed in.
 * @param deviceClass class whose times to use, if the profile has them.
 */
export function inFamilyOrder<M extends Pick<ModelProfile, 'name' | 'runtimes'>>(
  models: readonly M[],
  deviceClass: string,
): readonly M[] {
  const cost = ({ runtimes }: M): number => sampleMs(runtimes[deviceClass] ?? Object.values(runtimes)[0]);
  // Break ties by name, so that the order does not depend on the file.
  return models.toSorted((a, b) => cost(a) - cost(b) || (a.name < b.name ? -1 : 1));
}
