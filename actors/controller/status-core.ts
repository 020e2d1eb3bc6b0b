import type { RunningActor } from '../../engine/actor/actor.ts';
import type { Question } from '../../engine/actor/channel.ts';
import { answer, drop, type Effect, NO_EFFECTS, perform, send } from '../../engine/actor/effect.ts';
import { MalformedMessage } from '../../engine/errors.ts';
import { digestsOf } from '../../plans/domain/gear-plan/gear-plan.ts';
import { SpeedWatch } from '../../plans/policy/speed-watch.ts';
import { TELL_PLAN } from '../../plans/protocol/channels.ts';
import type { DeviceState, DropCounts, GearMessage, LoadReport, PrepareMessage } from '../../plans/protocol/control-messages.ts';
import type { DriftReport } from '../../plans/protocol/drift-report.ts';
import type { EventMessage } from '../../plans/protocol/events.ts';
import { mayAnswerOn, type Subjects } from '../../plans/protocol/subjects.ts';
import { byKind, type UnservedByKind } from '../../plans/protocol/unserved.ts';
import { DEVICE_LOST_AFTER_MS } from '../frontend/router.ts';
import { GearRecord } from './gear-record.ts';
import type { Revision } from './plan-history.ts';
import type { Status, StoreLoss } from './status-report.ts';

export interface StatusCoreOptions {
  readonly deployment: string;
  readonly subjects: Subjects;
  /** The plan to begin with. */
  readonly start: Revision;
  /** The actors of this process, including this one; only the status reports what they dropped. Default: none. */
  readonly actors?: () => readonly Pick<RunningActor, 'name' | 'dropped'>[];
  /** Whether requests are stored; see `readDurable`. Default: no. */
  readonly isDurable?: boolean;
  /** Default: this process's. */
  readonly pid?: number;
}

/** The task that asks the server for the state of durable ingress; its outcome is the answer, or why there is none. */
export type ReadDurable = 'read-durable';
export type DurableAnswer = NonNullable<Status['durable']>;

const LOSSES_KEPT = 20;
const STATUS_ANSWER = { encode: (status: Status) => Buffer.from(JSON.stringify(status)) };

interface Frontend {
  readonly report: LoadReport;
  readonly at: number;
}

interface Device {
  readonly state: DeviceState;
  readonly at: number;
  readonly speed: SpeedWatch;
}

/** Collects the state of the deployment and makes snapshots of it. */
export class StatusCore {
  readonly #options: StatusCoreOptions;
  readonly #gears: GearRecord;
  readonly #devices = new Map<string, Device>();
  readonly #frontends = new Map<string, Frontend>();
  readonly #losses: StoreLoss[] = [];
  #leading = false;
  #drift: DriftReport | undefined;
  #durable: Status['durable'];
  #reading = false;

  /** @param before the core of this actor before it was restarted. */
  constructor(options: StatusCoreOptions, now: number, before?: StatusCore) {
    this.#options = options;
    this.#gears = new GearRecord(before?.inForce ?? options.start, now);
    this.#durable = options.isDurable ? { unknown: 'not asked yet' } : null;
  }

  get inForce(): Revision {
    return this.#gears.inForce;
  }

  /** Any controller's status actor can answer, whether it leads or not. */
  lead(leading: boolean): readonly Effect<ReadDurable>[] {
    this.#leading = leading;
    return NO_EFFECTS;
  }

  onState(state: DeviceState, now: number): readonly Effect<ReadDurable>[] {
    const speed = this.#devices.get(state.device)?.speed ?? new SpeedWatch();
    speed.observe(state, now);
    this.#devices.set(state.device, { state, at: now, speed });
    return NO_EFFECTS;
  }

  onLoad(report: LoadReport, now: number): readonly Effect<ReadDurable>[] {
    this.#frontends.set(report.frontend, { report, at: now });
    return NO_EFFECTS;
  }

  onGear(gear: GearMessage, now: number): readonly Effect<ReadDurable>[] {
    return this.#gears.observe(gear, now) ? NO_EFFECTS : [send(TELL_PLAN, new Uint8Array())];
  }

  onPrepare(plan: PrepareMessage): readonly Effect<ReadDurable>[] {
    this.#gears.learn(plan);
    return NO_EFFECTS;
  }

  onEvent(event: EventMessage, now: number): readonly Effect<ReadDurable>[] {
    if (event.type === 'gear') this.#gears.decided(event, now);
    if (event.type === 'store-lost') {
      const { kind, name, text } = event;
      this.#losses.unshift({ at: now, kind, name, text });
      this.#losses.length = Math.min(this.#losses.length, LOSSES_KEPT);
    }
    return NO_EFFECTS;
  }

  onDrift(report: DriftReport): readonly Effect<ReadDurable>[] {
    this.#drift = report;
    return NO_EFFECTS;
  }

  onAsked({ reply }: Pick<Question<unknown>, 'reply'>, now: number): readonly Effect<ReadDurable>[] {
    if (!mayAnswerOn(this.#options.subjects, reply)) return [drop(new MalformedMessage('status', 'no permitted reply subject'))];
    return [answer(STATUS_ANSWER, this.snapshot(now), reply)];
  }

  /** Once a second if requests are stored, rather than on demand, so that an unresponsive store keeps no operator waiting. */
  readDurable(): readonly Effect<ReadDurable>[] {
    if (this.#reading) return NO_EFFECTS;
    this.#reading = true;
    return [perform('read-durable')];
  }

  onDurableRead(durable: DurableAnswer): readonly Effect<ReadDurable>[] {
    this.#reading = false;
    this.#durable = durable;
    return NO_EFFECTS;
  }

  forget(now: number): readonly Effect<ReadDurable>[] {
    const before = now - DEVICE_LOST_AFTER_MS;
    for (const [name, { at }] of this.#frontends) if (at < before) this.#frontends.delete(name);
    for (const [name, { at, state }] of this.#devices) if (at < before || state.phase === 'left') this.#devices.delete(name);
    return NO_EFFECTS;
  }

  snapshot(now: number): Status {
    const { deployment, pid = process.pid } = this.#options;
    const { plan, revision } = this.inForce;
    const frontends = [...this.#frontends].map(([name, { report }]) => ({
      name,
      pid: report.pid,
      qps: (report.arrivals * 1_000) / report.intervalMs,
    }));
    return {
      deployment,
      revision,
      weights: digestsOf(plan.weights),
      controller: { pid, leading: this.#leading },
      ...this.#gears.report(now),
      placement: plan.placement,
      drift: this.#drift?.revision === revision ? this.#drift : null,
      qps: frontends.reduce((sum, { qps }) => sum + qps, 0),
      frontends,
      devices: [...this.#devices.values()].map(({ state: { measures, ...state }, at, speed }) => ({
        ...state,
        silentMs: now - at,
        speed: speed.report,
      })),
      missing: [...new Set(plan.placement.map(({ device }) => device))].filter((device) => !this.#devices.has(device)),
      dropped: this.#dropped(),
      unserved: this.#unserved(),
      durable: this.#durable,
      losses: this.#losses,
    };
  }

  #dropped(): Status['dropped'] {
    const { actors = () => [] } = this.#options;
    return withoutEmpty<DropCounts>([
      ...this.#byRole(({ dropped = {} }) => dropped),
      ...actors().map(({ name, dropped }): [string, DropCounts] => [name, dropped]),
    ]);
  }

  #unserved(): Status['unserved'] {
    return withoutEmpty<UnservedByKind>(this.#byRole(({ unserved = {} }) => byKind(unserved)));
  }

  /** Counts of each frontend and device, by the name of its actor. */
  #byRole<T>(read: (counts: Pick<LoadReport | DeviceState, 'dropped' | 'unserved'>) => T): [string, T][] {
    return [
      ...[...this.#frontends].map(([name, { report }]): [string, T] => [`frontend-${name}`, read(report)]),
      ...[...this.#devices].map(([name, { state }]): [string, T] => [`device-${name}`, read(state)]),
    ];
  }
}

function withoutEmpty<T extends object>(entries: readonly [string, T][]): Record<string, T> {
  return Object.fromEntries(entries.filter(([, counts]) => Object.keys(counts).length > 0));
}
