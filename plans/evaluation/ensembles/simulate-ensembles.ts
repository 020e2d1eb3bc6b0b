import type { Report } from '../../report/report.ts';
import { ReportBuilder, type ReportSlo, type SecondWindow } from '../../report/report-builder.ts';
import type { SimulatedSystem } from '../../simulator/simulated-system.ts';
import { type SimulationOptions, Simulator } from '../../simulator/simulator.ts';
import type { Workload } from '../../simulator/workload.ts';
import type { EnsembleSchedule, EnsembleStep } from './ensemble-schedule.ts';

/**
 * Simulates ensembles on autoscaled devices with the simulator of gear plans: a request goes to every member at once and ends when the
 * last has answered. Messages and devices take as long as they do for cascades; the vote takes no time.
 * @param qualityOf returns the quality of the members' vote for each sample.
 */
export function simulateEnsembles(
  system: SimulatedSystem,
  { plan, steps }: EnsembleSchedule,
  workload: Workload,
  qualityOf: (members: readonly number[]) => Float32Array,
  slo: ReportSlo | undefined,
  giveUp?: SimulationOptions['giveUp'],
): { report: Report; windows: SecondWindow[] } | undefined {
  const { arrivalsMs, sampleOrder, seconds } = workload;
  const stepOf = stepsOf(arrivalsMs, steps, system.hopMs);
  const membersOf = (request: number): readonly number[] => steps[stepOf[request]].members;
  let parts = 0;
  for (let i = 0; i < arrivalsMs.length; i++) parts += membersOf(i).length;
  const expanded = {
    arrivalsMs: new Float64Array(parts),
    sampleOrder: new Int32Array(parts),
    seconds,
  };
  const asked = new Uint8Array(parts);
  let at = 0;
  for (let i = 0; i < arrivalsMs.length; i++) {
    for (const member of membersOf(i)) {
      expanded.arrivalsMs[at] = arrivalsMs[i];
      expanded.sampleOrder[at] = sampleOrder[i % sampleOrder.length];
      asked[at++] = member;
    }
  }
  // A frontend receives a request once, however many models it asks.
  const run = new Simulator({ ...system, intakeMs: 0 }).run(plan, expanded, {
    schedule: steps,
    asked,
    ...(giveUp && { giveUp: { ...giveUp, count: giveUp.count * Math.max(...steps.map(({ members }) => members.length)) } }),
  });
  if (run.gaveUp) return undefined;
  const builder = new ReportBuilder(slo, 0);
  at = 0;
  for (let i = 0; i < arrivalsMs.length; i++) {
    const members = membersOf(i);
    // Members that answer NaN fail, and nobody waits for them.
    const answersMs = run.latencyMs.subarray(at, at + members.length).filter((ms) => !Number.isNaN(ms));
    at += members.length;
    const outcome = answersMs.length === 0 ? 'error' : 'completed';
    builder.add(arrivalsMs[i], Math.max(...answersMs), qualityOf(members)[sampleOrder[i % sampleOrder.length]], outcome);
  }
  const runMs = Math.max(seconds * 1000, run.endMs);
  const deviceUtilisation = Object.fromEntries(system.deviceNames.map((name, d) => [name, Math.min(1, run.busyMs[d] / runMs)]));
  const report = builder.build({ seconds, gearSwitches: run.gearSwitches, deviceUtilisation });
  return { report, windows: builder.windows() };
}

/** Per request: the step in force when the frontend receives it, one hop after it was sent. At equal times requests come first. */
function stepsOf(arrivalsMs: Float64Array, steps: readonly EnsembleStep[], hopMs: number): Int32Array {
  let step = 0;
  return Int32Array.from(arrivalsMs, (ms) => {
    while (step + 1 < steps.length && steps[step + 1].fromMs < ms + hopMs) step++;
    return step;
  });
}
