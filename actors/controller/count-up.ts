import type { KeyValueEntry, KeyValueStore } from '../../engine/bus/key-value.ts';

/** The number in a store entry; undefined when the value is not a number. */
export function numberIn({ value }: KeyValueEntry): number | undefined {
  const text = Buffer.from(value.buffer, value.byteOffset, value.length).toString();
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** Writes a number. False when the key has changed since it was read at `readAt` (undefined: it was missing). */
export async function writeNumber(
  store: KeyValueStore,
  key: string,
  value: number,
  readAt: number | undefined,
): Promise<boolean> {
  const bytes = Buffer.from(String(value));
  const written = readAt === undefined ? store.create(key, bytes) : store.update(key, bytes, readAt);
  return (await written) !== undefined;
}

/**
 * Increments a counter in the store and returns its new value, which is above `above` and given to nobody else. A damaged counter
 * continues from the revision of its entry, which is at least as high because it counts all writes to the store.
 */
export async function countUp(store: KeyValueStore, key: string, above = 0): Promise<number> {
  for (;;) {
    const entry = await store.get(key);
    const next = Math.max(above, entry === undefined ? 0 : (numberIn(entry) ?? entry.revision)) + 1;
    if (await writeNumber(store, key, next, entry?.revision)) return next;
  }
}
