import type { Bus } from '../../engine/bus/bus.ts';
import { countUp } from './count-up.ts';

/**
 * Begins a controller's term: returns a number above those of all earlier terms. It comes from the deployment's key-value store, because
 * the clocks of two hosts may disagree. Undefined when there is no store.
 * @throws CascadeError UNAVAILABLE when the store cannot be reached.
 */
export async function beginTerm(bus: Bus, bucket: string): Promise<number | undefined> {
  const store = await bus.keyValue(bucket);
  return store && countUp(store, 'term');
}
