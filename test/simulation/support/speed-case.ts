import { createRandom } from '../../../engine/random.ts';
import type { GearPlan } from '../../../plans/domain/gear-plan/gear-plan.ts';
import type { Profile } from '../../../plans/domain/profile/profile.ts';
import type { PlanRequest } from '../../../plans/planner/plan-request.ts';
import { planGears } from '../../../plans/planner/planner.ts';
import { compilePlan } from '../../../plans/policy/compiled-plan.ts';
import { DEFAULT_GEAR_RULE, type GearRule } from '../../../plans/policy/gear-choice.ts';
import { simulatedSystem } from '../../../plans/simulator/simulated-system.ts';
import { type SimulationReport, simulationReport } from '../../../plans/simulator/simulation-report.ts';
import { Simulator } from '../../../plans/simulator/simulator.ts';
import type { Slowdown } from '../../../plans/simulator/slowdown.ts';
import { traceWorkload } from '../../../plans/simulator/workload.ts';
import { syntheticProfile } from '../../../plans/synthetic/synthetic.ts';
import type { Trace } from '../../../plans/traces/trace.ts';

const SLO = { type: 'latency', p95Ms: 100 } as const;
/** As in a deployment with that SLO. */
export const RULE: GearRule = { ...DEFAULT_GEAR_RULE, backlogDrainMs: SLO.p95Ms };

/** A planned family on some devices. */
export interface SpeedCase {
  readonly profile: Profile;
  readonly devices: readonly { readonly id: string; readonly deviceClass: string; readonly memoryBytes: number }[];
  readonly plan: GearPlan;
  readonly qpsMax: number;
}

/**
 * Four models on CPU devices, planned for a p95 of 100 ms.
 * @param speeds of the devices as profiled, relative to the models' figures.
 * @param cascades the only ones to plan with; by default all.
 */
export async function speedCase(
  speeds: readonly number[],
  qpsMax: number,
  samples = 2_000,
  cascades?: PlanRequest['cascades'],
): Promise<SpeedCase> {
  const profile = syntheticProfile({
    seed: 11,
    samples,
    deviceClasses: Object.fromEntries(speeds.map((speed) => [`speed-${speed}`, speed])),
    batches: [1, 2, 4, 8, 16, 32],
    overhead: { perBatchMs: 0, perRequestMs: 0, hopMs: 0 },
    models: [
      { name: 'tiny', accuracy: 0.8, fixedMs: 0.05, perSampleMs: 0.03, memoryBytes: 1 },
      { name: 'small', accuracy: 0.88, fixedMs: 0.1, perSampleMs: 0.1, memoryBytes: 1 },
      { name: 'medium', accuracy: 0.92, fixedMs: 0.2, perSampleMs: 0.3, memoryBytes: 1 },
      { name: 'large', accuracy: 0.945, fixedMs: 0.4, perSampleMs: 1, memoryBytes: 1 },
    ],
  });
  const devices = speeds.map((speed, d) => ({ id: `d${d}`, deviceClass: `speed-${speed}`, memoryBytes: 10 }));
  const found = await planGears({
    deployment: 'test',
    profile,
    devices,
    maxBatch: profile.models.map(() => undefined),
    slo: SLO,
    qpsMax,
    weights: new Array(8).fill(1 / 8),
    seed: 1,
    contingencies: false,
    ...(cascades && { cascades }),
  });
  if (found.type === 'infeasible') throw new Error(found.reason);
  return { profile, devices, plan: found.plan, qpsMax };
}

/** How the plan serves a load while devices are slower or faster than profiled. */
export function simulated(
  { profile, devices, plan }: SpeedCase,
  trace: Trace,
  slowdowns: readonly Slowdown[],
  seed = 1,
): { report: SimulationReport; gearChangesAtMs: number[] } {
  const system = simulatedSystem(profile, devices, []);
  const workload = traceWorkload(trace, system.samples, createRandom(seed));
  const gearChangesAtMs: number[] = [];
  const observer = { batch: () => undefined, gear: (at: number) => gearChangesAtMs.push(at) };
  const outcomes = new Simulator(system).run(compilePlan(plan), workload, { rule: RULE, deadlineMs: 1_500, slowdowns, observer });
  return { report: simulationReport(system, workload, outcomes, SLO).report, gearChangesAtMs };
}
