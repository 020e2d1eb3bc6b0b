import type { Bus } from '../../engine/bus/bus.ts';
import { countUp } from './count-up.ts';

/**
 * Begins a controller's term: a number above those of all terms before, from the deployment's key-value store, as the clocks of
 * two hosts need not agree. Undefined where there is no store.
 * @throws CascadeError UNAVAILABLE when the store cannot be reached.
 */
export async function beginTerm(bus: Bus, bucket: string): Promise<number | undefined> {
  const store = await bus.keyValue(bucket);
  return store && countUp(store, 'term');
}
