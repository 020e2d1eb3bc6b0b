import type { Profile } from '../../domain/profile/profile.ts';

/** Searches kept per profile: enough for a few SLOs and mixes of devices. */
const MAX_KEPT = 16;

/**
 * Caches results that depend on a profile, which is immutable. SP1's enumeration takes the most time of small plans. It depends on the
 * profile, the limits and the mix of devices but not on their number, so `provision` and the tests repeat the same search many times.
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
