import type { Bus } from '../engine/bus/bus.ts';

const KEY = 'term';

/**
 * Begins a controller's term: a number above those of all terms before, from the deployment's key-value store, as the clocks of
 * two hosts need not agree. Undefined where there is no store.
 * @throws CascadeError UNAVAILABLE when the store cannot be reached.
 */
export async function beginTerm(bus: Bus, bucket: string): Promise<number | undefined> {
  const store = await bus.keyValue(bucket);
  if (store === undefined) return undefined;
  for (;;) {
    const entry = await store.get(KEY);
    const term = entry === undefined ? 1 : Number(Buffer.from(entry.value).toString()) + 1;
    const value = Buffer.from(String(term));
    const written = entry === undefined ? store.create(KEY, value) : store.update(KEY, value, entry.revision);
    if ((await written) !== undefined) return term;
  }
}
