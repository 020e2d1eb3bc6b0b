import type { Clock } from '../clock.ts';
import type { KeyValueEntry, KeyValueOptions, KeyValueStore } from './key-value.ts';

/** A bucket in memory, with any clock. */
export function createLocalKeyValue(clock: Clock, { ttlMs = Number.POSITIVE_INFINITY }: KeyValueOptions): KeyValueStore {
  const entries = new Map<string, KeyValueEntry & { expiresAt: number }>();
  let last = 0;

  const find = (key: string): KeyValueEntry | undefined => {
    const entry = entries.get(key);
    if (entry !== undefined && clock.now() < entry.expiresAt) return entry;
    entries.delete(key);
    return undefined;
  };
  const write = (key: string, value: Uint8Array): number => {
    entries.set(key, { value, revision: ++last, expiresAt: clock.now() + ttlMs });
    return last;
  };

  return {
    get: async (key) => find(key),
    put: async (key, value) => write(key, value),
    create: async (key, value) => (find(key) === undefined ? write(key, value) : undefined),
    update: async (key, value, revision) => (find(key)?.revision === revision ? write(key, value) : undefined),
    delete: async (key) => {
      entries.delete(key);
    },
  };
}
