import { filter, map, type Observable, skip } from 'rxjs';
import type { Bus } from './bus.ts';

/** Emits each time a lost connection is there again: what was said meanwhile, by us or to us, is gone. */
export function reconnected$(bus: Bus): Observable<void> {
  return bus.status$.pipe(
    skip(1),
    filter((status) => status === 'up'),
    map(() => undefined),
  );
}
