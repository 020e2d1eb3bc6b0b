import { ConfigError } from '../../engine/errors.ts';
import { createRandom } from '../../engine/random.ts';
import type { Deployment } from '../deployment.ts';
import type { GearPlan } from '../gear-plan.ts';
import { maxBatches, planDevices } from '../planner/request-of-deployment.ts';
import { compilePlan } from '../policy/compiled-plan.ts';
import type { Profile } from '../profile.ts';
import type { SecondWindow } from '../report-builder.ts';
import type { Trace } from '../trace.ts';
import { simulatedSystem } from './simulated-system.ts';
import { type SimulationReport, simulationReport } from './simulation-report.ts';
import { Simulator } from './simulator.ts';
import { traceWorkload } from './workload.ts';

/**
 * What a plan does with a trace; arrivals are those that `load` makes of the same trace and seed.
 * @throws ConfigError where plan, profile and deployment do not belong together.
 */
export function simulatePlan(
  deployment: Deployment,
  profile: Profile,
  plan: GearPlan,
  trace: Trace,
  seed: number,
): { report: SimulationReport; windows: SecondWindow[] } {
  const names = profile.models.map((model) => model.name);
  if (plan.deployment !== deployment.name || plan.models.join() !== names.join())
    throw new ConfigError(
      `the plan is for ${plan.deployment} with ${plan.models.join(', ')}; the profile is of ${deployment.name} with ${names.join(', ')}: run \`cascade plan\` again`,
    );
  const known = planDevices(deployment, profile);
  const devices = plan.devices.map((id) => {
    const device = known.find((other) => other.id === id);
    if (device !== undefined) return device;
    throw new ConfigError(`the plan uses device ${id}, which ${deployment.file} does not name: run \`cascade plan\` again`);
  });
  const system = simulatedSystem(profile, devices, maxBatches(deployment, profile));
  const workload = traceWorkload(trace, system.samples, createRandom(seed));
  const { gearRule: rule, deadlineMs } = deployment;
  const outcomes = new Simulator(system).run(compilePlan(plan), workload, { rule, deadlineMs });
  const slo =
    'p95' in plan.slo
      ? { type: 'latency' as const, p95Ms: plan.slo.p95 }
      : { type: 'accuracy' as const, accuracy: plan.slo.accuracy };
  return simulationReport(system, workload, outcomes, slo);
}
