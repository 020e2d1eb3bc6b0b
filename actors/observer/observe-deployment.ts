import { merge, type Observable, tap } from 'rxjs';
import type { ActorContext } from '../../engine/actor/actor.ts';
import { Channels } from '../../engine/actor/channel.ts';
import { DRIFT, EVENTS, GEAR, LOAD, STATE } from '../../plans/protocol/channels.ts';
import type { DeviceState, GearMessage, LoadReport } from '../../plans/protocol/control-messages.ts';
import type { DriftReport } from '../../plans/protocol/drift-report.ts';
import type { EventMessage } from '../../plans/protocol/events.ts';
import type { Subjects } from '../../plans/protocol/subjects.ts';

/** Receives everything that is published about a deployment. */
export interface DeploymentObserver {
  state(state: DeviceState, now: number): void;
  load(report: LoadReport, now: number): void;
  gear(message: GearMessage): void;
  event(event: EventMessage, now: number): void;
  drift(report: DriftReport, now: number): void;
}

/** Passes everything published about a deployment to an observer. An operator's permissions are sufficient. */
export function observeDeployment$(
  { bus, clock, drops }: Pick<ActorContext, 'bus' | 'clock' | 'drops'>,
  { root }: Pick<Subjects, 'root'>,
  listener: DeploymentObserver,
): Observable<unknown> {
  const channels = new Channels(root, { bus, drops });
  return merge(
    channels.receive$(STATE).pipe(tap((state) => listener.state(state, clock.now()))),
    channels.receive$(LOAD).pipe(tap((report) => listener.load(report, clock.now()))),
    channels.receive$(GEAR).pipe(tap((gear) => listener.gear(gear))),
    channels.receive$(EVENTS).pipe(tap((event) => listener.event(event, clock.now()))),
    channels.receive$(DRIFT).pipe(tap((report) => listener.drift(report, clock.now()))),
  );
}
