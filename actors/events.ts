import type { Bus } from '../engine/bus/bus.ts';
import { encode } from '../engine/wire/codec.ts';
import type { GearBasis } from '../engine/wire/messages.ts';
import type { Subjects } from '../engine/wire/subjects.ts';

/** The gear was changed; or, from and to being equal, the hysteresis begins or ceases to hold it. */
interface GearEvent {
  readonly type: 'gear';
  readonly revision: number;
  readonly from: number;
  readonly to: number;
  readonly basis: GearBasis;
}

export interface DeviceEvent {
  readonly type: 'device-lost' | 'device-back';
  readonly device: string;
}

type PlanEvent =
  | { readonly type: 'plan-adopted'; readonly revision: number }
  /** The revision that stays in force, and why no other came. */
  | { readonly type: 'plan-rejected'; readonly revision: number; readonly reason: string };

/** Everything that is said on the events subject. */
export type EventMessage = GearEvent | DeviceEvent | PlanEvent;

export function publishEvent(bus: Bus, subjects: Subjects, event: EventMessage): void {
  bus.publish(subjects.events, encode(event));
}
