import { mapTimes, type Profile } from './profile.ts';

/**
 * The same system in slow motion: every inference takes `factor` times as long. With the load that many times lower and the SLO
 * that many times laxer it is, but for the serving costs, the same system: so a machine can emulate one that is too fast for it.
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
