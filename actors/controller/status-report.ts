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
  /** Model -> digest of the files that the plan in force names. */
  readonly weights: Readonly<Record<string, string>>;
  /** The controller that answers: any can, one leads. */
  readonly controller: { readonly pid: number; readonly leading: boolean };
  readonly gear: {
    readonly index: number;
    readonly of: number;
    readonly qps: readonly [number, number];
    readonly cascade: string;
    /** What the plan expects of its answers. */
    readonly expected: ExpectedAccuracy;
    /** Beyond what the plan promises: the load is above its highest, or the devices are slower than planned. */
    readonly bestEffort: boolean;
    /** Device for whose loss this gear is. */
    readonly lost: string | null;
    /** Whether an operator holds it, and when that ends by itself; null while the load chooses. */
    readonly pinned: { readonly until: number | null } | null;
    /** What it was last chosen by; null before the first decision. */
    readonly basis: GearBasis | null;
  } | null;
  /** All gears that may come into force now, by their index. */
  readonly gears: readonly {
    readonly qps: readonly [number, number];
    readonly cascade: string;
    readonly expected: ExpectedAccuracy;
    readonly bestEffort: boolean;
  }[];
  /** Which models the plan in force has where. */
  readonly placement: GearPlan['placement'];
  /** The last decisions that changed something, newest first. */
  readonly decisions: readonly Decision[];
  /** How far load and certainties are from what was planned for; null before the first word of the drift-monitor. */
  readonly drift: DriftReport | null;
  /** Changes of gear since the status actor began to listen, and seconds in each gear of the plan in force since it is. */
  readonly gearSwitches: number;
  readonly gearSeconds: readonly number[];
  /** Measured in the last interval, summed over frontends. */
  readonly qps: number;
  readonly frontends: readonly { readonly name: string; readonly pid: number; readonly qps: number }[];
  /** With how fast each is beside its profile, smoothed, and since when. */
  readonly devices: readonly (Omit<DeviceState, 'measures'> & { readonly silentMs: number; readonly speed: SpeedReport })[];
  /** Devices of the plan that nothing is heard of. */
  readonly missing: readonly string[];
  /**
   * Actor -> reason -> messages that it dropped, as they could not be read or did not fit into its mailbox; actors that dropped none are left out. Of the
   * controllers' actors, those of the controller that answers.
   */
  readonly dropped: Readonly<Record<string, DropCounts>>;
  /**
   * Frontend or device -> how requests ended there that got no result -> why -> how many, since it was started; those that have
   * none are left out. A request is counted once, where it ended.
   */
  readonly unserved: Readonly<Record<string, UnservedByKind>>;
  /** Durable ingress, as it was within the last second or two; why that is not known; null where the deployment has none. */
  readonly durable: DurableStatus | { readonly unknown: string } | null;
  /** What the NATS server had lost of streams, consumers and buckets and was made anew since this controller began to listen, newest first. */
  readonly losses: readonly StoreLoss[];
}

export interface StoreLoss extends Omit<EventOf<'store-lost'>, 'type'> {
  /** When it was heard of: milliseconds since 1970. */
  readonly at: number;
}

/** A change of gear; with `from` = `to`, the hysteresis that begins or ceases to hold it. */
export interface Decision {
  /** When it was heard of: milliseconds since 1970. */
  readonly at: number;
  readonly revision: number;
  readonly from: number;
  readonly to: number;
  readonly basis: GearBasis;
}
