import { EMPTY, exhaustMap, merge, type Observable, takeUntil, tap } from 'rxjs';
import type { Actor, RunningActor } from '../../engine/actor/actor.ts';
import { Channels } from '../../engine/actor/channel.ts';
import { every } from '../../engine/clock.ts';
import { messageOf } from '../../engine/errors.ts';
import { gearsWithout } from '../../plans/domain/gear-plan/contingency.ts';
import {
  allGears,
  describeCascade,
  digestsOf,
  type ExpectedAccuracy,
  type GearPlan,
} from '../../plans/domain/gear-plan/gear-plan.ts';
import { SpeedWatch } from '../../plans/policy/speed-watch.ts';
import { DRIFT, EVENTS, GEAR, LOAD, PREPARE, STATE, STATUS } from '../../plans/protocol/channels.ts';
import type { DeviceState, DropCounts, GearBasis, GearMessage, PrepareMessage } from '../../plans/protocol/control-messages.ts';
import type { DriftReport } from '../../plans/protocol/drift-report.ts';
import type { EventMessage, EventOf, SpeedReport } from '../../plans/protocol/events.ts';
import { mayAnswerOn, type Subjects } from '../../plans/protocol/subjects.ts';
import { byKind, type UnservedByKind, type UnservedCounts } from '../../plans/protocol/unserved.ts';
import { type DurableStatus, durableStatus } from '../durable/durable-status.ts';
import type { DurableConfig } from '../durable/durable-streams.ts';
import { DEVICE_LOST_AFTER_MS } from '../frontend/router.ts';
import { askForPlan, keepPlan } from './kept-plans.ts';
import type { Revision } from './plan-history.ts';

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
   * Actor -> reason -> messages that it dropped, as they could not be read; actors that dropped none are left out. Of the
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

interface StoreLoss extends Omit<EventOf<'store-lost'>, 'type'> {
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

export interface StatusOptions {
  readonly deployment: string;
  readonly subjects: Subjects;
  /** The plan to begin with. */
  readonly start: Revision;
  readonly leading$: Observable<boolean>;
  /** Where requests are stored; undefined: nowhere. */
  readonly durable?: DurableConfig | undefined;
  /** The actors of this process, this one included: what they dropped is told, too, as nobody else tells it. Default: none. */
  readonly actors?: () => readonly Pick<RunningActor, 'name' | 'dropped'>[];
}

const FORGET_INTERVAL_MS = 1_000;
const LOOK_INTERVAL_MS = 1_000;
const DECISIONS_KEPT = 20;
const LOSSES_KEPT = 20;

/** Listens to the whole deployment and answers an operator's question about it. */
export function statusActor({ deployment, subjects, start, leading$, durable, actors = () => [] }: StatusOptions): Actor {
  return {
    name: 'status',
    description: 'answers requests for a snapshot of the deployment',
    behaviour: ({ bus, clock, drops, stopping$ }) => {
      const channels = new Channels(subjects.root, { bus, drops });
      const devices = new Map<string, { state: DeviceState; at: number; speed: SpeedWatch }>();
      const frontends = new Map<
        string,
        { pid: number; qps: number; dropped: DropCounts; unserved: UnservedCounts; at: number }
      >();
      const plans = new Map([[start.revision, start.plan]]);
      let { plan, revision } = start;
      let leading = false;
      const decisions: Decision[] = [];
      const losses: StoreLoss[] = [];
      let drift: DriftReport | undefined;
      let stored: Status['durable'] = durable === undefined ? null : { unknown: 'not asked yet' };
      let gear: GearMessage | undefined;
      let gearSwitches = 0;
      let inForceSince = clock.now();
      let gearMs = allGears(plan).map(() => 0);

      /** Adds the time since the last call to the gear in force. */
      const settle = (): void => {
        const now = clock.now();
        if (gear !== undefined && gear.lost === undefined && gear.gear < gearMs.length) gearMs[gear.gear] += now - inForceSince;
        inForceSince = now;
      };

      const observeGear = (message: GearMessage): void => {
        settle();
        const known = plans.get(message.revision);
        if (known === undefined) {
          askForPlan(bus, subjects);
          return;
        }
        if (message.revision !== revision) {
          plan = known;
          revision = message.revision;
          gearMs = allGears(plan).map(() => 0);
        }
        if (gear !== undefined && gear.gear !== message.gear) gearSwitches++;
        gear = message;
      };

      const observeState = (state: DeviceState): void => {
        const at = clock.now();
        const speed = devices.get(state.device)?.speed ?? new SpeedWatch();
        speed.observe(state, at);
        devices.set(state.device, { state, at, speed });
      };

      const learn = ({ revision: told, plan: next }: PrepareMessage): void => {
        keepPlan(plans, told, next, revision);
      };

      const observeEvent = (event: EventMessage): void => {
        if (event.type === 'store-lost') {
          const { kind, name, text } = event;
          losses.unshift({ at: clock.now(), kind, name, text });
          losses.length = Math.min(losses.length, LOSSES_KEPT);
        }
        if (event.type !== 'gear') return;
        const { revision: of, from, to, basis } = event;
        decisions.unshift({ at: clock.now(), revision: of, from, to, basis });
        decisions.length = Math.min(decisions.length, DECISIONS_KEPT);
      };

      const snapshot = (): Status => {
        settle();
        const now = clock.now();
        const table = gear?.lost === undefined ? plan : (gearsWithout(plan, gear.lost) ?? plan);
        const gears = allGears(table);
        const inForce = gear === undefined ? undefined : gears[gear.gear];
        const loads = [...frontends].map(([name, { pid, qps }]) => ({ name, pid, qps }));
        return {
          deployment,
          revision,
          weights: digestsOf(plan.weights),
          controller: { pid: process.pid, leading },
          gear:
            gear === undefined || inForce === undefined
              ? null
              : {
                  index: gear.gear,
                  of: gears.length,
                  qps: inForce.qps,
                  cascade: describeCascade(inForce.cascade),
                  expected: { accuracy: inForce.expected.accuracy, accuracyInterval: inForce.expected.accuracyInterval },
                  bestEffort: gear.gear >= table.gears.length,
                  lost: gear.lost ?? null,
                  pinned: gear.pinned === undefined ? null : { until: gear.pinned.until },
                  basis: gear.basis ?? null,
                },
          gears: gears.map(({ qps, cascade, expected: { accuracy, accuracyInterval } }, i) => ({
            qps,
            cascade: describeCascade(cascade),
            expected: { accuracy, accuracyInterval },
            bestEffort: i >= table.gears.length,
          })),
          placement: plan.placement,
          decisions,
          drift: drift?.revision === revision ? drift : null,
          gearSwitches,
          gearSeconds: gearMs.map((ms) => ms / 1_000),
          qps: loads.reduce((sum, { qps }) => sum + qps, 0),
          frontends: loads,
          devices: [...devices.values()].map(({ state: { measures, ...state }, at, speed }) => ({
            ...state,
            silentMs: now - at,
            speed: speed.report,
          })),
          missing: [...new Set(plan.placement.map(({ device }) => device))].filter((device) => !devices.has(device)),
          dropped: droppedBy(),
          unserved: unservedBy(),
          durable: stored,
          losses,
        };
      };

      const droppedBy = (): Status['dropped'] => {
        const all: [string, DropCounts][] = [
          ...[...frontends].map(([name, { dropped }]): [string, DropCounts] => [`frontend-${name}`, dropped]),
          ...[...devices].map(([name, { state }]): [string, DropCounts] => [`device-${name}`, state.dropped ?? {}]),
          ...actors().map(({ name, dropped }): [string, DropCounts] => [name, dropped]),
        ];
        return Object.fromEntries(all.filter(([, counts]) => Object.keys(counts).length > 0));
      };

      const unservedBy = (): Status['unserved'] => {
        const all: [string, UnservedByKind][] = [
          ...[...frontends].map(([name, { unserved }]): [string, UnservedByKind] => [`frontend-${name}`, byKind(unserved)]),
          ...[...devices].map(([name, { state }]): [string, UnservedByKind] => [`device-${name}`, byKind(state.unserved ?? {})]),
        ];
        return Object.fromEntries(all.filter(([, kinds]) => Object.keys(kinds).length > 0));
      };

      const look = async (setting: DurableConfig): Promise<void> => {
        try {
          stored = await durableStatus(bus.workQueues(), setting);
        } catch (error) {
          stored = { unknown: messageOf(error) };
        }
      };

      const forget = (): void => {
        const before = clock.now() - DEVICE_LOST_AFTER_MS;
        for (const [name, { at }] of frontends) if (at < before) frontends.delete(name);
        for (const [name, { at, state }] of devices) if (at < before || state.phase === 'left') devices.delete(name);
      };

      return merge(
        channels.receive$(STATE).pipe(tap((state) => observeState(state))),
        channels.receive$(LOAD).pipe(
          tap((report) => {
            frontends.set(report.frontend, {
              pid: report.pid,
              dropped: report.dropped ?? {},
              unserved: report.unserved ?? {},
              qps: (report.arrivals * 1_000) / report.intervalMs,
              at: clock.now(),
            });
          }),
        ),
        channels.receive$(GEAR).pipe(tap((gear) => observeGear(gear))),
        channels.receive$(PREPARE).pipe(tap((message) => learn(message))),
        channels.receive$(EVENTS).pipe(tap((event) => observeEvent(event))),
        channels.receive$(DRIFT).pipe(
          tap((report) => {
            drift = report;
          }),
        ),
        // Each controller has one of us; any can answer.
        channels.questions$(STATUS).pipe(
          tap(({ reply }) => {
            if (mayAnswerOn(subjects, reply)) bus.publish(reply, Buffer.from(JSON.stringify(snapshot())));
            else drops.count('status: no reply subject that may be answered on');
          }),
        ),
        leading$.pipe(
          tap((now) => {
            leading = now;
          }),
        ),
        every(clock, FORGET_INTERVAL_MS).pipe(tap(forget)),
        // Not when asked, so that a server that is silent about its store keeps no operator waiting.
        durable === undefined ? EMPTY : every(clock, LOOK_INTERVAL_MS).pipe(exhaustMap(() => look(durable))),
      ).pipe(takeUntil(stopping$));
    },
  };
}
