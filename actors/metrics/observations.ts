import type { DeploymentSlo } from '../../plans/domain/deployment/deployment.ts';
import type { DeviceState, GearMessage, LoadReport, ModelMeasures } from '../../plans/protocol/control-messages.ts';
import type { DriftReport } from '../../plans/protocol/drift-report.ts';
import type { EventMessage } from '../../plans/protocol/events.ts';
import { SIZE_BOUNDS, TIME_BOUNDS_MS } from '../../plans/protocol/histogram.ts';
import { EXITS } from '../../plans/protocol/messages.ts';
import { isUnservedReason, UNSERVED } from '../../plans/protocol/unserved.ts';
import { DEVICE_LOST_AFTER_MS } from '../frontend/router.ts';
import type { Exposition } from './exposition.ts';
import { Growth } from './growth.ts';

export interface Observed {
  readonly name: string;
  readonly version: string;
  readonly devices: readonly string[];
  readonly slo: DeploymentSlo;
  readonly qpsMax: number;
}

/** All frontends count as one role, because each gets a new name when it starts. */
const FRONTEND = 'frontend';
/** A silent frontend may come back, and its counts must not be added again then. Each restart leaves a name for this long. */
const FRONTEND_FORGOTTEN_AFTER_MS = 3_600_000;
/** Older drift reports come from a controller that is gone. */
const DRIFT_STALE_MS = 10_000;

interface Heard<T> {
  readonly at: number;
  readonly value: T;
}

/** What a frontend or a device has counted since its start, by reason. */
type Counted = Readonly<Record<'unserved' | 'dropped', Readonly<Record<string, number>>>>;

/** What was observed of a deployment, for writing as metrics. */
export class Observations {
  readonly #observed: Observed;
  readonly #startedAt: number;
  readonly #devices = new Map<string, Heard<DeviceState>>();
  /** From the last heartbeats that had them; they outlive the device, like counters. */
  readonly #measures = new Map<string, readonly ModelMeasures[]>();
  readonly #frontends = new Map<string, Heard<LoadReport>>();
  readonly #unserved = new Map<string, Growth>();
  readonly #dropped = new Map<string, Growth>();
  readonly #switches = new Map<string, number>();
  readonly #events = new Map<string, number>();
  /** Model -> answers that the most accurate model confirmed, and answers it disagreed with. */
  readonly #audits = new Map<string, { agreed: number; differed: number }>();
  #requests = 0;
  #gear: GearMessage | undefined;
  #drift: Heard<DriftReport> | undefined;

  /** @param startedAt when we began to listen. */
  constructor(observed: Observed, startedAt: number) {
    this.#observed = observed;
    this.#startedAt = startedAt;
  }

  state(state: DeviceState, now: number): void {
    const { device, measures, audits = [], unserved = {}, dropped = {} } = state;
    this.#devices.set(device, { at: now, value: state });
    if (measures !== undefined) this.#measures.set(device, measures);
    this.#grow(`device-${device}`, device, { unserved, dropped }, now);
    for (const { model, agreed, differed } of audits) {
      const known = this.#audits.get(model) ?? { agreed: 0, differed: 0 };
      this.#audits.set(model, { agreed: known.agreed + sum(agreed), differed: known.differed + sum(differed) });
    }
  }

  load(report: LoadReport, now: number): void {
    const { frontend, arrivals, unserved = {}, dropped = {} } = report;
    this.#frontends.set(frontend, { at: now, value: report });
    this.#requests += arrivals;
    this.#grow(FRONTEND, frontend, { unserved, dropped }, now);
  }

  gear(message: GearMessage): void {
    this.#gear = message;
  }

  event(event: EventMessage): void {
    count(this.#events, event.type);
    if (event.type === 'gear' && event.from !== event.to) count(this.#switches, event.basis.rule);
  }

  drift(report: DriftReport, now: number): void {
    this.#drift = { at: now, value: report };
  }

  /** Forgets frontends that are long gone. Call it now and then. */
  sweep(now: number): void {
    for (const [name, { at }] of this.#frontends) {
      if (now - at < FRONTEND_FORGOTTEN_AFTER_MS) continue;
      this.#frontends.delete(name);
      this.#unserved.get(FRONTEND)?.forget(name);
      this.#dropped.get(FRONTEND)?.forget(name);
    }
  }

  /** @param ownDrops messages that the exporting actor could not decode, by reason. */
  write(to: Exposition, now: number, ownDrops: Readonly<Record<string, number>>): void {
    const { name, version, slo, qpsMax } = this.#observed;
    to.number('build', { deployment: name, version }, 1);
    to.number('loadMax', {}, qpsMax);
    if (slo.type === 'latency') to.number('sloLatency', {}, slo.p95Ms / 1_000);
    else to.number('sloAccuracy', {}, slo.accuracy);
    to.number('requests', {}, this.#requests);
    const live = [...this.#frontends.values()].filter(({ at }) => now - at < DEVICE_LOST_AFTER_MS);
    to.number('frontends', {}, live.length);
    const loads = live.map(({ value }) => (value.arrivals * 1_000) / value.intervalMs);
    to.number('load', {}, sum(loads));
    for (const [role, growth] of this.#unserved)
      for (const [reason, total] of growth.totals) {
        // Reasons of another version have no kind here.
        const { kind, code } = isUnservedReason(reason) ? UNSERVED[reason] : { kind: 'unknown', code: null };
        to.number('unserved', { role, kind, reason, code: code ?? '' }, total);
      }
    for (const [role, growth] of this.#dropped)
      for (const [reason, total] of growth.totals) to.number('dropped', { role, reason }, total);
    for (const [reason, total] of Object.entries(ownDrops)) to.number('dropped', { role: 'metrics', reason }, total);
    for (const [type, total] of this.#events) to.number('events', { type }, total);
    this.#writeGear(to);
    this.#writeDevices(to, now);
    for (const [device, measures] of this.#measures) for (const each of measures) writeMeasures(to, device, each);
    if (this.#drift !== undefined && now - this.#drift.at < DRIFT_STALE_MS) writeDrift(to, this.#drift.value);
    for (const [model, { agreed, differed }] of this.#audits) {
      to.number('auditCompared', { model, agrees: 'true' }, agreed);
      to.number('auditCompared', { model, agrees: 'false' }, differed);
    }
  }

  /** All report several times a second, so those we hear at once were running before us, and what they counted then is not new. */
  #grow(role: string, source: string, { unserved, dropped }: Counted, now: number): void {
    const isOld = now - this.#startedAt < DEVICE_LOST_AFTER_MS;
    growthOf(this.#unserved, role).observe(source, unserved, isOld);
    growthOf(this.#dropped, role).observe(source, dropped, isOld);
  }

  #writeGear(to: Exposition): void {
    for (const [rule, total] of this.#switches) to.number('gearSwitches', { rule }, total);
    if (this.#gear === undefined) return;
    to.number('gear', { lost: this.#gear.lost ?? '' }, this.#gear.gear);
    to.number('revision', {}, this.#gear.revision);
  }

  #writeDevices(to: Exposition, now: number): void {
    for (const device of this.#observed.devices) {
      const heard = this.#devices.get(device);
      const isUp = heard !== undefined && now - heard.at < DEVICE_LOST_AFTER_MS && heard.value.phase === 'ready';
      to.number('deviceUp', { device }, isUp ? 1 : 0);
      if (heard !== undefined) to.number('deviceBusy', { device }, heard.value.busyMs / 1_000);
      if (!isUp) continue;
      const { slowdown, starvedShare, backlogMs, loopDelayMsP99, queues, missingWeights = {} } = heard.value;
      to.number('deviceSlowdown', { device }, slowdown);
      if (starvedShare !== null) to.number('deviceStarved', { device }, starvedShare);
      to.number('deviceBacklog', { device }, backlogMs / 1_000);
      to.number('deviceLoopDelay', { device }, loopDelayMsP99 / 1_000);
      for (const [model, length] of Object.entries(queues)) to.number('queueLength', { device, model }, length);
      for (const model of Object.keys(missingWeights)) to.number('weightsMissing', { device, model }, 1);
    }
  }
}

function writeMeasures(to: Exposition, device: string, measures: ModelMeasures): void {
  const { model, answers, totalMs, queueMs, computeMs, batchSize, batchMs } = measures;
  for (const { gear, exits } of answers)
    EXITS.forEach((exit, i) => {
      if (exits[i] > 0) to.number('answers', { device, model, gear: String(gear), exit }, exits[i]);
    });
  to.histogram('total', { device, model }, totalMs, TIME_BOUNDS_MS, 1_000);
  to.histogram('queue', { device, model }, queueMs, TIME_BOUNDS_MS, 1_000);
  to.histogram('compute', { device, model }, computeMs, TIME_BOUNDS_MS, 1_000);
  to.histogram('batchSize', { device, model }, batchSize, SIZE_BOUNDS, 1);
  to.histogram('batchSeconds', { device, model }, batchMs, TIME_BOUNDS_MS, 1_000);
}

function writeDrift(to: Exposition, { qps, certainty, audit }: DriftReport): void {
  const measures = [{ what: 'load', model: '', ...qps }, ...certainty.map((each) => ({ what: 'certainty', ...each }))];
  for (const { what, model, distance, drifted } of measures) {
    if (distance !== null) to.number('driftDistance', { what, model }, distance);
    to.number('driftDetected', { what, model }, drifted ? 1 : 0);
  }
  if (audit === null) return;
  to.number('auditLost', {}, audit.lost ? 1 : 0);
  for (const bound of ['estimate', 'low', 'high'] as const) {
    if (audit.disagreement !== null) to.number('auditDisagreement', { bound }, audit.disagreement[bound]);
    if (audit.accuracy !== null) to.number('auditAccuracy', { bound }, audit.accuracy[bound]);
  }
  to.number('auditAccuracy', { bound: 'expected' }, audit.expectedAccuracy.estimate);
}

function growthOf(all: Map<string, Growth>, role: string): Growth {
  let growth = all.get(role);
  if (growth === undefined) {
    growth = new Growth();
    all.set(role, growth);
  }
  return growth;
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
