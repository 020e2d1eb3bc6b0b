import { note, send } from '../../engine/actor/effect.ts';
import { EVENTS, STATE } from '../../plans/protocol/channels.ts';
import type { DeviceState, DropCounts, Suspects } from '../../plans/protocol/control-messages.ts';
import type { Router } from '../frontend/router.ts';
import type { Queued } from './batcher.ts';
import type { DeviceAudits } from './device-audits.ts';
import type { DeviceClaim } from './device-claim.ts';
import type { DeviceEffect } from './device-effects.ts';
import type { DeviceWork } from './device-work.ts';
import type { DeviceWeights } from './weights/device-weights.ts';

/** Counts that only metrics use are sent less often. */
const MEASURES_INTERVAL_MS = 1_000;

/** What a device's process measures of itself. */
export interface Vitals {
  /** Share of the time for which the inference thread waited for a processor; null if unknown. */
  readonly starvedShare: number | null;
  /** 99th percentile of the event loop's delay. */
  readonly loopDelayMsP99: number;
  readonly dropped: DropCounts;
  readonly emulated: boolean;
}

/** A device's model replicas, as its core sees them. */
export interface ReplicasHere {
  has(weights: DeviceWeights): boolean;
  /** Whether a replica of the plan in preparation is loaded here. */
  hasPrepared(model: string): boolean;
  /** Model -> why the weights that the plan in force places here are unavailable. */
  readonly missing: ReadonlyMap<string, string>;
  /** Replicas are being loaded or unloaded; an inference may have to wait for that. */
  readonly underWay: boolean;
  /** The prepared plan is now in force. */
  committed(): void;
}

interface DeviceReportOptions {
  readonly device: string;
  readonly host: string;
  readonly pid: number;
  readonly models: readonly string[];
  readonly router: Router;
  readonly replicas: ReplicasHere;
  readonly vitals: (now: number) => Vitals;
  /** Whether this device holds the weights in force for a model. */
  readonly holds: (model: number) => boolean;
  readonly work: DeviceWork;
  readonly audits: DeviceAudits | undefined;
  readonly claim: DeviceClaim;
}

/** The part of a heartbeat that only the core knows. */
interface Standing {
  readonly phase: DeviceState['phase'];
  readonly incarnation: string;
  readonly gearDelayMs: number;
  /** The requests to blame if this device dies now; undefined: unknown. */
  readonly blamed: readonly Queued[] | undefined;
}

/** Sends a device's heartbeats. */
export class DeviceReport {
  readonly #options: DeviceReportOptions;
  readonly #startedAt: number;
  /** Model -> why its weights are unavailable, as last reported. */
  #missing: ReadonlyMap<string, string> = new Map();
  #reportedAt = 0;
  #measuresReportedAt = 0;

  constructor(options: DeviceReportOptions, now: number) {
    this.#options = options;
    this.#startedAt = now;
  }

  send({ phase, incarnation, gearDelayMs, blamed }: Standing, now: number, out: DeviceEffect[]): void {
    const { device, host, models, pid, vitals, replicas, holds, router, work, audits: auditing, claim } = this.#options;
    const { loop, certainties, answered, unserved, measures } = work;
    const { starvedShare, loopDelayMsP99, dropped, emulated } = vitals(now);
    if (starvedShare !== null) auditing?.starved(this.#reportedAt, now, starvedShare);
    this.#reportedAt = now;
    // Includes replicas of the plan in preparation, so that frontends know them before they route to them.
    const ready = [...models.keys()].filter((model) => holds(model) || replicas.hasPrepared(models[model]));
    const { missing } = replicas;
    this.#reportMissing(missing, out);
    const counted = certainties.take();
    const audits = auditing?.take() ?? [];
    const isMeasured = phase === 'left' || now - this.#measuresReportedAt >= MEASURES_INTERVAL_MS;
    if (isMeasured) this.#measuresReportedAt = now;
    const state: DeviceState = {
      device,
      host,
      phase,
      incarnation,
      claim: claim.id,
      absences: claim.absences,
      pid,
      revision: router.revision,
      gear: router.gear.index,
      epoch: router.epoch,
      gearDelayMs,
      queues: Object.fromEntries(ready.map((model) => [models[model], loop.length(model)])),
      answered: Object.fromEntries(ready.map((model) => [models[model], answered[model]])),
      backlogMs: loop.backlogMs(now),
      slowdown: loop.slowdown(now),
      starvedShare,
      completedBatches: loop.batchesRun,
      busyMs: loop.busyMs,
      upMs: now - this.#startedAt,
      loopDelayMsP99,
      dropped,
      unserved: unserved.counts,
      emulated,
      ...(missing.size === 0 ? {} : { missingWeights: Object.fromEntries(missing) }),
      ...(counted.length === 0 ? {} : { certainties: counted }),
      ...(blamed === undefined ? {} : { suspects: suspectsIn(blamed) }),
      ...(audits.length === 0 ? {} : { audits }),
      ...(isMeasured ? { measures: measures.snapshot } : {}),
      ...(auditing?.hasSpare(now) ? { spare: true } : {}),
    };
    out.push(send(STATE, state, { device }));
  }

  /** Reports weights that became unavailable, and those that are back or no longer needed. */
  #reportMissing(missing: ReadonlyMap<string, string>, out: DeviceEffect[]): void {
    const { device } = this.#options;
    for (const [model, reason] of missing) {
      if (this.#missing.get(model) === reason) continue;
      out.push(note('error', 'model missing: its weights cannot be found', { device, model, reason }));
      out.push(send(EVENTS, { type: 'weights', state: 'missing', device, model, reason }));
    }
    for (const model of this.#missing.keys()) {
      if (missing.has(model)) continue;
      out.push(note('info', 'the weights of a model are no longer missing', { device, model }));
      out.push(send(EVENTS, { type: 'weights', state: 'there', device, model }));
    }
    this.#missing = missing;
  }
}

function suspectsIn(blamed: readonly Queued[]): Suspects {
  const origins = [...new Set(blamed.map(({ origin }) => origin))];
  return origins.map((origin) => ({
    origin,
    seqs: blamed.flatMap((request) => (request.origin === origin ? [request.item.seq] : [])),
  }));
}
