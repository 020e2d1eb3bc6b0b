import { inOrderOf } from '../../plans/domain/profile/family-order.ts';
import { type ModelProfile, runtimeMs } from '../../plans/domain/profile/profile.ts';

/**
 * Per model: time of the smallest sample alone, on the fastest kind of device.
 * @param names order in which the serving processes number models.
 */
export function leastMsOf(
  profile: { readonly models: readonly Pick<ModelProfile, 'name' | 'runtimes'>[] },
  names: readonly string[],
): readonly number[] {
  return inOrderOf(profile.models, names).map(({ runtimes }) =>
    Math.min(...Object.values(runtimes).map((curve) => runtimeMs(curve, 1, 0))),
  );
}
