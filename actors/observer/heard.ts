import { merge, type Observable, tap } from 'rxjs';
import type { ActorContext } from '../../engine/actor/actor.ts';
import { decoded } from '../../engine/actor/drops.ts';
import { decodeEvent, decodeGear, decodeLoad, decodeState } from '../../plans/protocol/internal.ts';
import type { DeviceState, GearMessage, LoadReport } from '../../plans/protocol/messages.ts';
import type { Subjects } from '../../plans/protocol/subjects.ts';
import { type DriftReport, decodeDrift } from '../controller/drift-report.ts';

/** What anyone may hear of a deployment who is allowed to watch it. */
export interface Listener {
  state(state: DeviceState, now: number): void;
  load(report: LoadReport, now: number): void;
  gear(message: GearMessage): void;
  event(event: { readonly type: string }, now: number): void;
  drift(report: DriftReport, now: number): void;
}

/** Tells a listener all that is said of a deployment: an operator's permissions are enough. */
export function heard$(
  { bus, clock, drops }: Pick<ActorContext, 'bus' | 'clock' | 'drops'>,
  subjects: Subjects,
  listener: Listener,
): Observable<unknown> {
  return merge(
    bus.messages$(subjects.allState).pipe(
      decoded(decodeState, drops),
      tap((state) => listener.state(state, clock.now())),
    ),
    bus.messages$(subjects.allLoad).pipe(
      decoded(decodeLoad, drops),
      tap((report) => listener.load(report, clock.now())),
    ),
    bus.messages$(subjects.gear).pipe(
      decoded(decodeGear, drops),
      tap((gear) => listener.gear(gear)),
    ),
    bus.messages$(subjects.events).pipe(
      decoded(decodeEvent, drops),
      tap((event) => listener.event(event, clock.now())),
    ),
    bus.messages$(subjects.drift).pipe(
      decoded(decodeDrift, drops),
      tap((report) => listener.drift(report, clock.now())),
    ),
  );
}
