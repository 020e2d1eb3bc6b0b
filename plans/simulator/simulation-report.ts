import type { Report } from '../report/report.ts';
import { ReportBuilder, type ReportSlo, type SecondWindow } from '../report/report-builder.ts';
import { FAILED, REJECTED, type SimulationOutcomes } from './outcomes.ts';
import type { AuditTotals } from './simulated-audits.ts';
import type { SimulatedSystem } from './simulated-system.ts';
import type { Workload } from './workload.ts';

/** The report that every command gives, plus what only a simulation or a whole serving plane knows. */
export interface SimulationReport extends Report {
  /** Per gear of the plan: seconds in force. */
  readonly gears: readonly number[];
  /** Model -> number of requests it answered. */
  readonly answersByModel: Readonly<Record<string, number>>;
  /** Model -> device -> mean batch size; without replicas that ran nothing. */
  readonly meanBatch: Readonly<Record<string, Record<string, number>>>;
  /** Absent when nothing is audited. */
  readonly audits?: AuditTotals;
}

/** Collects the outcomes of a run request by request. */
function collectOutcomes(
  system: SimulatedSystem,
  workload: Workload,
  outcomes: SimulationOutcomes,
  slo: ReportSlo | undefined,
): ReportBuilder {
  const builder = new ReportBuilder(slo, 0);
  for (let i = 0; i < outcomes.requests; i++) {
    const by = outcomes.answeredBy[i];
    const quality = by < 0 ? 0 : system.quality[by * system.samples + outcomes.sample[i]];
    // A load generator counts requests without an answer by their deadline as lost, so we do the same.
    const outcome = by === REJECTED ? 'rejected' : by === FAILED ? 'error' : by < 0 ? 'lost' : 'completed';
    builder.add(workload.arrivalsMs[i], outcomes.latencyMs[i], quality, outcome);
  }
  return builder;
}

export function simulationReport(
  system: SimulatedSystem,
  workload: Workload,
  outcomes: SimulationOutcomes,
  slo: ReportSlo | undefined,
): { report: SimulationReport; windows: SecondWindow[] } {
  const builder = collectOutcomes(system, workload, outcomes, slo);
  const report: SimulationReport = {
    ...builder.build({
      seconds: workload.seconds,
      gearSwitches: outcomes.gearSwitches,
      deviceUtilisation: Object.fromEntries(system.deviceNames.map((name, d) => [name, utilisation(workload, outcomes, d)])),
    }),
    gears: Array.from(outcomes.gearMs, (ms) => ms / 1000),
    answersByModel: Object.fromEntries(system.modelNames.map((name, m) => [name, outcomes.answers[m]])),
    meanBatch: Object.fromEntries(system.modelNames.map((name, m) => [name, meanBatches(system, outcomes, m)])),
    ...(outcomes.audits && { audits: outcomes.audits }),
  };
  return { report, windows: builder.windows() };
}

/** Share of the run for which a device was busy; the run lasts until the last answer. */
function utilisation(workload: Workload, outcomes: SimulationOutcomes, device: number): number {
  const runMs = Math.max(workload.seconds * 1000, outcomes.endMs);
  return runMs === 0 ? 0 : Math.min(1, outcomes.busyMs[device] / runMs);
}

function meanBatches({ devices, deviceNames }: SimulatedSystem, outcomes: SimulationOutcomes, model: number) {
  const means: Record<string, number> = {};
  for (let d = 0; d < devices; d++) {
    const replica = model * devices + d;
    if (outcomes.batches[replica] > 0) means[deviceNames[d]] = outcomes.batchedRequests[replica] / outcomes.batches[replica];
  }
  return means;
}
