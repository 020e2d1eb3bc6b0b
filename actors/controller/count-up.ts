import type { KeyValueEntry, KeyValueStore } from '../../engine/bus/key-value.ts';

/** The number in an entry of the store; undefined when something else stands there. */
export function numberIn({ value }: KeyValueEntry): number | undefined {
  const text = Buffer.from(value.buffer, value.byteOffset, value.length).toString();
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** Writes a number under a key. False when the key has been written since it was read at that revision, or found missing. */
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
 * The next number of a counter in the store, and above `above`: nobody else gets the same. For a counter that is damaged stands the
 * revision of its entry: that counts all writes to the store.
 */
export async function countUp(store: KeyValueStore, key: string, above = 0): Promise<number> {
  for (;;) {
    const entry = await store.get(key);
    const next = Math.max(above, entry === undefined ? 0 : (numberIn(entry) ?? entry.revision)) + 1;
    if (await writeNumber(store, key, next, entry?.revision)) return next;
  }
}
