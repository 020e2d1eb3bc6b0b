import type { ExpectedAccuracy, GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import type { DeviceState, DropCounts, GearBasis } from '../../plans/protocol/control-messages.ts';
import type { DriftReport } from '../../plans/protocol/drift-report.ts';
import type { EventOf, SpeedReport } from '../../plans/protocol/events.ts';
import type { UnservedByKind } from '../../plans/protocol/unserved.ts';
import type { DurableStatus } from '../durable/durable-status.ts';

/** Answer to a request on `.control.status`, as JSON. */
export interface Status {
  readonly deployment: string;
  readonly revision: number;
  /** Model -> digest of its files under the plan in force. */
  readonly weights: Readonly<Record<string, string>>;
  /** The controller that answered; any can. */
  readonly controller: { readonly pid: number; readonly leading: boolean };
  readonly gear: {
    readonly index: number;
    readonly of: number;
    readonly qps: readonly [number, number];
    readonly cascade: string;
    /** Accuracy that the plan expects. */
    readonly expected: ExpectedAccuracy;
    /** Beyond what the plan promises: the load is above its maximum, or the devices are slower than planned. */
    readonly bestEffort: boolean;
    /** If this is a contingency gear, the device it does without. */
    readonly lost: string | null;
    /** Set while an operator pins the gear, with the time when the pin ends by itself; null while the load chooses. */
    readonly pinned: { readonly until: number | null } | null;
    /** The reason for the last decision; null before the first. */
    readonly basis: GearBasis | null;
  } | null;
  /** All gears that can currently come into force, by index. */
  readonly gears: readonly {
    readonly qps: readonly [number, number];
    readonly cascade: string;
    readonly expected: ExpectedAccuracy;
    readonly bestEffort: boolean;
  }[];
  /** Where the plan in force places models. */
  readonly placement: GearPlan['placement'];
  /** The last decisions that changed something, newest first. */
  readonly decisions: readonly Decision[];
  /** How far load and certainties are from the plan's; null before the drift monitor's first report. */
  readonly drift: DriftReport | null;
  /** Gear changes since the status actor started, and seconds in each gear since the plan came into force. */
  readonly gearSwitches: number;
  readonly gearSeconds: readonly number[];
  /** Measured in the last interval, summed over frontends. */
  readonly qps: number;
  readonly frontends: readonly { readonly name: string; readonly pid: number; readonly qps: number }[];
  /** With each device's smoothed speed compared with its profile, and since when. */
  readonly devices: readonly (Omit<DeviceState, 'measures'> & { readonly silentMs: number; readonly speed: SpeedReport })[];
  /** Devices of the plan without heartbeats. */
  readonly missing: readonly string[];
  /**
   * Actor -> reason -> number of messages dropped because they could not be decoded or did not fit into the mailbox. Actors that dropped
   * none are left out. Only includes the actors of the controller that answers, not of other controllers.
   */
  readonly dropped: Readonly<Record<string, DropCounts>>;
  /**
   * Frontend or device -> how requests without a result ended -> reason -> number since the start; those without any are left out. A
   * request is counted once, where it ended.
   */
  readonly unserved: Readonly<Record<string, UnservedByKind>>;
  /** State of durable ingress one or two seconds ago, or why it is unknown; null when the deployment has none. */
  readonly durable: DurableStatus | { readonly unknown: string } | null;
  /** Streams, consumers and buckets that the NATS server lost, and that were created again, since this controller started; newest first. */
  readonly losses: readonly StoreLoss[];
}

export interface StoreLoss extends Omit<EventOf<'store-lost'>, 'type'> {
  /** When the event arrived: milliseconds since 1970. */
  readonly at: number;
}

/** A gear change; with `from` = `to`, the gear starts or stops being held by hysteresis. */
export interface Decision {
  /** When the event arrived: milliseconds since 1970. */
  readonly at: number;
  readonly revision: number;
  readonly from: number;
  readonly to: number;
  readonly basis: GearBasis;
}
