import type { Bus } from '../../engine/bus/bus.ts';
import type { Loss } from '../../engine/bus/declarations.ts';
import type { AuditMeasure } from '../../plans/drift/audit-estimate.ts';
import type { SpeedReport } from '../../plans/policy/speed-watch.ts';
import { encode } from '../../plans/protocol/codec.ts';
import { isBasis } from '../../plans/protocol/internal.ts';
import type { GearBasis } from '../../plans/protocol/messages.ts';
import type { Subjects } from '../../plans/protocol/subjects.ts';

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

/** A device has become slow, or slower or faster by more than a third while it is; or it is as fast as profiled again. */
export interface DeviceSpeedEvent extends SpeedReport {
  readonly type: 'device-speed';
  readonly device: string;
  /** The same for people, with the reason where it is known. */
  readonly text: string;
}

type PlanEvent =
  | { readonly type: 'plan-adopted'; readonly revision: number }
  /** The revision that stays in force, and why no other came. */
  | { readonly type: 'plan-rejected'; readonly revision: number; readonly reason: string };

/** Another controller leads from now on, or the same one again; in force is this revision. */
interface LeaderEvent {
  readonly type: 'controller-leads';
  readonly revision: number;
}

export interface DriftEvent {
  readonly type: 'drift';
  readonly state: 'begins' | 'ends';
  readonly what: 'qps' | 'certainty';
  /** Whose certainties. */
  readonly model?: string;
  readonly distance: number | null;
  readonly bound: number;
  readonly observations: number;
  /** What has drifted, by how much, and what to do, for people. */
  readonly text: string;
}

/** Answers have begun to differ from the most accurate model's by more than was planned for, or have ceased to. */
export interface AuditEvent extends Omit<AuditMeasure, 'lost'> {
  readonly type: 'audit';
  readonly state: 'loss' | 'recovered';
  /** By how much, with the interval, and what to do, for people. */
  readonly text: string;
}

/** Weights that the plan in force places on a device cannot be had there; or they are there again, or not wanted any more. */
interface WeightsEvent {
  readonly type: 'weights';
  readonly state: 'missing' | 'there';
  readonly device: string;
  readonly model: string;
  readonly reason?: string;
}

type ReplanEvent =
  | { readonly type: 'replan'; readonly state: 'begins' }
  /** It ended, and how, in words; whether its plan was adopted is an event of its own. */
  | { readonly type: 'replan'; readonly state: 'done' | 'failed'; readonly text: string };

/** The NATS server had lost a stream, a consumer or a bucket; it has been made anew. */
export interface LossEvent {
  readonly type: 'store-lost';
  readonly kind: Loss['kind'];
  readonly name: string;
  /** What was lost with it, for people. */
  readonly text: string;
}

/** Everything that is said on the events subject. */
export type EventMessage =
  | LossEvent
  | GearEvent
  | DeviceEvent
  | DeviceSpeedEvent
  | PlanEvent
  | LeaderEvent
  | DriftEvent
  | AuditEvent
  | ReplanEvent
  | WeightsEvent;

/** True of what reads as the event of a gear; nobody else may be trusted to have said it so. */
export function isGearEvent(event: { readonly type: string }): event is GearEvent {
  if (event.type !== 'gear') return false;
  const { revision, from, to, basis } = event as { [K in keyof GearEvent]?: unknown };
  return [revision, from, to].every(Number.isSafeInteger) && isBasis(basis);
}

/** True of what reads as the event of a loss. */
export function isLossEvent(event: { readonly type: string }): event is LossEvent {
  if (event.type !== 'store-lost') return false;
  const { kind, name, text } = event as { [K in keyof LossEvent]?: unknown };
  return [kind, name, text].every((field) => typeof field === 'string');
}

export function publishEvent(bus: Bus, subjects: Subjects, event: EventMessage): void {
  bus.publish(subjects.events, encode(event));
}
