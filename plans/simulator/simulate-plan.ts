import { createRandom } from '../../engine/random.ts';
import type { Deployment } from '../domain/deployment/deployment.ts';
import type { GearPlan } from '../domain/gear-plan/gear-plan.ts';
import { inOrderOf } from '../domain/profile/family-order.ts';
import type { Profile } from '../domain/profile/profile.ts';
import { maxBatches, planDevices } from '../planner/request-of-deployment.ts';
import { compilePlan } from '../policy/compiled-plan.ts';
import type { SecondWindow } from '../report/report-builder.ts';
import type { Trace } from '../traces/trace.ts';
import type { SimulationOutcomes } from './outcomes.ts';
import { type SimulatedSystem, simulatedSystem } from './simulated-system.ts';
import { type SimulationReport, simulationReport } from './simulation-report.ts';
import { Simulator } from './simulator.ts';
import type { Slowdown } from './slowdown.ts';
import { traceWorkload, type Workload } from './workload.ts';

/** A run of a plan on a trace. */
export interface PlanRun {
  readonly system: SimulatedSystem;
  readonly workload: Workload;
  /** Valid until the next run of the same simulator. */
  readonly outcomes: SimulationOutcomes;
}

/**
 * Simulates a plan on a trace. Arrivals are the ones that `load` generates from the same trace and seed.
 * @param plan must fit this deployment and profile; see checkPlanFor.
 * @param slowdowns devices that are slower or faster than profiled.
 */
export function simulatePlan(
  deployment: Deployment,
  profile: Profile,
  plan: GearPlan,
  trace: Trace,
  seed: number,
  slowdowns: readonly Slowdown[] = [],
): { report: SimulationReport; windows: SecondWindow[] } {
  const { system, workload, outcomes } = runPlan(deployment, profile, plan, trace, seed, slowdowns);
  const slo =
    'p95' in plan.slo
      ? { type: 'latency' as const, p95Ms: plan.slo.p95 }
      : { type: 'accuracy' as const, accuracy: plan.slo.accuracy };
  return simulationReport(system, workload, outcomes, slo);
}

/** The same, with the outcome of each request. */
export function runPlan(
  deployment: Deployment,
  profile: Profile,
  plan: GearPlan,
  trace: Trace,
  seed: number,
  slowdowns: readonly Slowdown[] = [],
): PlanRun {
  const planned = { ...profile, models: inOrderOf(profile.models, plan.models) };
  const known = planDevices(deployment, planned);
  const devices = plan.devices.map((id) => known.find((device) => device.id === id)!);
  const system = simulatedSystem(planned, devices, maxBatches(deployment, planned));
  const workload = traceWorkload(trace, system.samples, createRandom(seed));
  const { gearRule: rule, deadlineMs, audit: settings } = deployment;
  const audit = settings && { settings, random: createRandom(seed).split('audits') };
  const outcomes = new Simulator(system).run(compilePlan(plan), workload, { rule, deadlineMs, slowdowns, audit });
  return { system, workload, outcomes };
}
