import type { Profile } from '../profile.ts';
import type { FrontierSearch } from './enumerate-cascades.ts';

/** Searches kept for each profile: those of a few SLOs and mixes of devices. */
const MAX_KEPT = 16;

const searches = new WeakMap<Profile, Map<string, FrontierSearch>>();

/**
 * SP1's enumeration takes longer than all else in small plans and depends on the profile, the limits and the mix of devices,
 * but not on how many there are: `provision` and the tests ask for the same one again and again. Profiles are values.
 */
export function cachedSearch(profile: Profile, key: string, search: () => FrontierSearch): FrontierSearch {
  const own = searches.get(profile) ?? new Map<string, FrontierSearch>();
  searches.set(profile, own);
  const known = own.get(key);
  if (known !== undefined) return known;
  const found = search();
  if (own.size >= MAX_KEPT) own.delete(own.keys().next().value ?? '');
  own.set(key, found);
  return found;
}
