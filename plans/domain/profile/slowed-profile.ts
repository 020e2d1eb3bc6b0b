import { mapTimes, type Profile } from './profile.ts';

/**
 * The same system in slow motion: every inference takes `factor` times as long. Divide the load and multiply the SLO by the factor,
 * and it behaves the same except for serving costs. This lets a machine emulate a system that is too fast for it.
 */
export function slowedProfile(profile: Profile, factor: number): Profile {
  if (factor === 1) return profile;
  return {
    ...profile,
    synthetic: true,
    models: profile.models.map((model) => ({
      ...model,
      runtimes: Object.fromEntries(
        Object.entries(model.runtimes).map(([name, curve]) => [name, mapTimes(curve, (ms) => ms * factor)]),
      ),
    })),
  };
}
