import { filter, map, type Observable, skip } from 'rxjs';
import type { Bus } from './bus.ts';

/** Emits each time a lost connection is back: messages sent or received meanwhile are lost. */
export function reconnected$(bus: Bus): Observable<void> {
  return bus.status$.pipe(
    skip(1),
    filter((status) => status === 'up'),
    map(() => undefined),
  );
}
