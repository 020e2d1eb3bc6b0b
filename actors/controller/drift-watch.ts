import type { Profile } from '../../plans/domain/profile/profile.ts';
import { type AuditBounds, AuditEstimate } from '../../plans/drift/audit-estimate.ts';
import { CertaintyDrift, type CertaintyDriftMeasure } from '../../plans/drift/certainty-drift.ts';
import type { DriftSettings } from '../../plans/drift/drift-measure.ts';
import { QpsDrift, type QpsDriftMeasure } from '../../plans/drift/qps-drift.ts';
import type { DeviceState, LoadReport } from '../../plans/protocol/control-messages.ts';
import type { AuditMeasure, DriftReport } from '../../plans/protocol/drift-report.ts';
import type { EventOf } from '../../plans/protocol/events.ts';
import { describeAudit } from './describe-audit.ts';
import type { Revision } from './plan-history.ts';

/** The drift-monitor's state for one plan, without bus or timers. */
export class DriftWatch {
  readonly revision: number;
  readonly #qps: QpsDrift;
  readonly #certainty: CertaintyDrift | undefined;
  readonly #audit: AuditEstimate | undefined;
  #lost = false;
  readonly #drifted = new Set<string>();
  #at: number;

  /**
   * @param profile of the plan's weights; undefined: only the load is watched.
   * @param audit undefined: no audits.
   */
  constructor(
    { revision, plan }: Revision,
    profile: Pick<Profile, 'models'> | undefined,
    settings: DriftSettings,
    now: number,
    audit?: AuditBounds,
  ) {
    this.revision = revision;
    this.#qps = new QpsDrift(plan, settings, now);
    this.#certainty = profile && new CertaintyDrift(plan, profile, settings);
    this.#audit = audit && profile && new AuditEstimate(plan, profile, audit, now);
    this.#at = now;
  }

  load({ arrivals }: LoadReport): void {
    this.#qps.observe(arrivals);
  }

  state({ certainties = [], audits = [] }: DeviceState): void {
    for (const counts of audits) if (counts.revision === this.revision) this.#audit?.observe(counts);
    for (const counts of certainties) if (counts.revision === this.revision) this.#certainty?.observe(counts);
  }

  /** Once a second. @returns the measurements, and the drifts that have begun or ended since the last call. */
  tick(now: number): { report: DriftReport; events: (EventOf<'drift'> | EventOf<'audit'>)[] } {
    this.#qps.tick(now);
    this.#certainty?.forget(now - this.#at);
    this.#at = now;
    const audit = this.#audit?.tick(now) ?? null;
    const report = { revision: this.revision, qps: this.#qps.measure(), certainty: this.#certainty?.measure() ?? [], audit };
    const events = [
      this.#event(report.qps),
      ...report.certainty.map((measure) => this.#event(measure)),
      audit === null ? undefined : this.#auditEvent(audit),
    ];
    return { report, events: events.filter((event) => event !== undefined) };
  }

  #auditEvent({ lost, ...measure }: AuditMeasure): EventOf<'audit'> | undefined {
    if (lost === this.#lost) return undefined;
    this.#lost = lost;
    return { type: 'audit', state: lost ? 'loss' : 'recovered', ...measure, text: describeAudit({ lost, ...measure }) };
  }

  #event(measure: QpsDriftMeasure | CertaintyDriftMeasure): EventOf<'drift'> | undefined {
    const model = 'model' in measure ? measure.model : undefined;
    const key = model ?? '';
    const { drifted, distance, bound, observations } = measure;
    if (drifted === this.#drifted.has(key)) return undefined;
    if (drifted) this.#drifted.add(key);
    else this.#drifted.delete(key);
    return {
      type: 'drift',
      state: drifted ? 'begins' : 'ends',
      what: model === undefined ? 'qps' : 'certainty',
      ...(model === undefined ? {} : { model }),
      distance,
      bound,
      observations: Math.round(observations),
      text: drifted ? textOf(measure) : 'the measurements match the plan again',
    };
  }
}

function textOf(measure: QpsDriftMeasure | CertaintyDriftMeasure): string {
  const percent = Math.round(100 * (measure.distance ?? 0));
  if ('model' in measure) {
    return (
      `${percent} % of the answers of ${measure.model} are more or less certain than on the validation samples: the inputs have ` +
      'changed, so the expected accuracy may not hold; label newer samples, then run `cascade profile` and `cascade plan`'
    );
  }
  return (
    `${percent} % of the seconds have a different load than planned: ${Math.round(measure.meanQps)} requests/s on average instead of ` +
    `${Math.round(measure.plannedMeanQps)}; plan for the measured load with \`cascade replan\``
  );
}
