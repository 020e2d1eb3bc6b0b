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

/**
 * The same models in the order of `names`. Plan, profile and deployment each number models in their own order, and profiling again can
 * swap two of nearly equal cost, so pair them by name.
 */
export function inOrderOf<M extends Pick<ModelProfile, 'name'>>(models: readonly M[], names: readonly string[]): readonly M[] {
  return names.map((name) => {
    const found = models.find((model) => model.name === name);
    if (found === undefined) throw new Error(`the profile has no model ${name}`);
    return found;
  });
}
