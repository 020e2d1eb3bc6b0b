import type { Profile } from '../../domain/profile/profile.ts';

/** Searches kept for each profile: those of a few SLOs and mixes of devices. */
const MAX_KEPT = 16;

/**
 * A cache of what follows from a profile. SP1's enumeration takes longer than all else in small plans and depends on the profile, the limits and the mix of devices,
 * but not on how many there are: `provision` and the tests ask for the same one again and again. Profiles are values.
 */
export function cacheByProfile<T extends object>(): (profile: Profile, key: string, make: () => T) => T {
  const byProfile = new WeakMap<Profile, Map<string, T>>();
  return (profile, key, make) => {
    const own = byProfile.get(profile) ?? new Map<string, T>();
    byProfile.set(profile, own);
    const known = own.get(key);
    if (known !== undefined) return known;
    const made = make();
    if (own.size >= MAX_KEPT) own.delete(own.keys().next().value ?? '');
    own.set(key, made);
    return made;
  };
}
