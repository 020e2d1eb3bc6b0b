import type { Bus } from '../../engine/bus/bus.ts';
import { EVENTS } from '../../plans/protocol/channels.ts';
import type { EventMessage } from '../../plans/protocol/events.ts';
import type { Subjects } from '../../plans/protocol/subjects.ts';

/** Publishes an event for operators; also usable outside actors. */
export function publishEvent(bus: Bus, subjects: Subjects, event: EventMessage): void {
  bus.publish(subjects.events, EVENTS.codec.encode(event));
}
