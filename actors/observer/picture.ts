import type { DeviceState, GearMessage, LoadReport } from '../../plans/protocol/control-messages.ts';
import type { EventMessage } from '../../plans/protocol/events.ts';
import { type HistogramCounts, quantile, since, sumOf, TIME_BOUNDS_MS } from '../../plans/protocol/histogram.ts';
import { UNSERVED } from '../../plans/protocol/unserved.ts';
import { DEVICE_LOST_AFTER_MS } from '../frontend/router.ts';
import { describeEvent } from './describe-event.ts';
import type { DeploymentObserver } from './observe-deployment.ts';

/** One second of a deployment, for screens. */
export interface Second {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Requests that arrived, per second. */
  readonly qps: number;
  readonly gear: number | null;
  /** Over the answers of the last few seconds; null when there are none. */
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly p99: number } | null;
  /** Model -> answers per second. */
  readonly answers: Readonly<Record<string, number>>;
  /** Requests per second that ended without a result, except those cancelled by their clients. */
  readonly unserved: number;
  /** Device -> share of time spent in inference; slowdown compared with the profile; waiting requests. */
  readonly utilisation: Readonly<Record<string, number>>;
  readonly slowdown: Readonly<Record<string, number>>;
  readonly queued: Readonly<Record<string, number>>;
}

/** An event, for people. */
export interface Happening {
  readonly at: number;
  readonly type: string;
  readonly text: string;
}

/** Percentiles cover this many readings of the devices, which come once a second, because a single one says too little at low load. */
const READINGS = 5;
const HAPPENINGS_KEPT = 200;
/** Events per second to keep; a healthy deployment has fewer. */
const HAPPENINGS_PER_SECOND = 50;

interface OfDevice {
  state: DeviceState;
  heardAt: number;
  /** Its state at the end of the last second. */
  before: DeviceState | undefined;
  readTotal: HistogramCounts | undefined;
}

/** Follows a deployment second by second. */
export class Picture implements DeploymentObserver {
  readonly #devices = new Map<string, OfDevice>();
  readonly #unserved = new Map<string, { readonly heardAt: number; readonly count: number }>();
  readonly #latencies: HistogramCounts[] = [];
  /** Newest last. */
  readonly happenings: Happening[] = [];
  #new: Happening[] = [];
  #latency: HistogramCounts = NOTHING;
  #arrivals = 0;
  #failed = 0;
  #gear: number | null = null;
  #endedAt: number | undefined;

  state(state: DeviceState, now: number): void {
    const known = this.#devices.get(state.device);
    const isNewProcess = known === undefined || known.state.pid !== state.pid;
    const device: OfDevice = isNewProcess ? { state, heardAt: now, before: undefined, readTotal: undefined } : known;
    device.state = state;
    device.heardAt = now;
    if (isNewProcess) this.#devices.set(state.device, device);
    this.#count(`device-${state.device}`, state.unserved ?? {}, now);
    if (state.measures === undefined) return;
    const total = sumOf(
      state.measures.map(({ totalMs }) => totalMs),
      TIME_BOUNDS_MS.length + 1,
    );
    // Counts from before we started listening do not belong to these seconds.
    if (device.readTotal !== undefined)
      this.#latency = sumOf([this.#latency, since(device.readTotal, total)], total.counts.length);
    device.readTotal = total;
  }

  load({ frontend, arrivals, unserved = {} }: LoadReport, now: number): void {
    this.#arrivals += arrivals;
    this.#count(frontend, unserved, now);
  }

  gear({ gear }: GearMessage): void {
    this.#gear = gear;
  }

  event(event: EventMessage, now: number): void {
    if (this.#new.length >= HAPPENINGS_PER_SECOND) return;
    const happening = { at: now, type: event.type.slice(0, 40), text: describeEvent(event) };
    this.#new.push(happening);
    this.happenings.push(happening);
    if (this.happenings.length > HAPPENINGS_KEPT) this.happenings.shift();
  }

  drift(): void {
    // Part of the status.
  }

  /** Ends a second. @returns it, and the events in it. */
  second(now: number): { second: Second; happenings: readonly Happening[] } {
    const elapsedMs = Math.max(1, now - (this.#endedAt ?? now - 1_000));
    const perSecond = (count: number): number => (1_000 * count) / elapsedMs;
    this.#latencies.push(this.#latency);
    if (this.#latencies.length > READINGS) this.#latencies.shift();
    const answers: Record<string, number> = {};
    const utilisation: Record<string, number> = {};
    const slowdown: Record<string, number> = {};
    const queued: Record<string, number> = {};
    for (const [name, device] of this.#devices) {
      const { state, before, heardAt } = device;
      if (now - heardAt >= DEVICE_LOST_AFTER_MS || state.phase === 'left') {
        this.#devices.delete(name);
        continue;
      }
      for (const [model, count] of Object.entries(state.answered)) {
        const more = before === undefined ? 0 : Math.max(0, count - (before.answered[model] ?? 0));
        answers[model] = (answers[model] ?? 0) + perSecond(more);
      }
      const upMs = before === undefined ? 0 : state.upMs - before.upMs;
      if (before !== undefined && upMs > 0) utilisation[name] = Math.min(1, Math.max(0, (state.busyMs - before.busyMs) / upMs));
      slowdown[name] = state.slowdown;
      queued[name] = Object.values(state.queues).reduce((sum, length) => sum + length, 0);
      device.before = state;
    }
    const second: Second = {
      at: now,
      qps: perSecond(this.#arrivals),
      gear: this.#gear,
      latencyMs: this.#percentiles(),
      answers,
      unserved: perSecond(this.#failed),
      utilisation,
      slowdown,
      queued,
    };
    for (const [role, { heardAt }] of this.#unserved) if (now - heardAt >= 10 * DEVICE_LOST_AFTER_MS) this.#unserved.delete(role);
    const happenings = this.#new;
    this.#new = [];
    this.#latency = NOTHING;
    this.#arrivals = 0;
    this.#failed = 0;
    this.#endedAt = now;
    return { second, happenings };
  }

  #percentiles(): Second['latencyMs'] {
    const counts = sumOf(this.#latencies, TIME_BOUNDS_MS.length + 1);
    const [p50, p95, p99] = [0.5, 0.95, 0.99].map((q) => quantile(TIME_BOUNDS_MS, counts, q));
    return p50 === null || p95 === null || p99 === null ? null : { p50, p95, p99 };
  }

  /** Adds a role's failures since its last report. */
  #count(role: string, unserved: Readonly<Record<string, number>>, now: number): void {
    let count = 0;
    for (const [reason, { kind }] of Object.entries(UNSERVED))
      if (kind !== 'cancelled' && Object.hasOwn(unserved, reason)) count += unserved[reason];
    const before = this.#unserved.get(role)?.count;
    if (before !== undefined) this.#failed += count >= before ? count - before : count;
    this.#unserved.set(role, { heardAt: now, count });
  }
}

const NOTHING: HistogramCounts = { counts: new Array<number>(TIME_BOUNDS_MS.length + 1).fill(0), sum: 0 };
