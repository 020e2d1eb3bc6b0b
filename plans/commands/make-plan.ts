import type { PlanningProfileOptions } from '../calibration/planning-profile.ts';
import type { Deployment } from '../domain/deployment/deployment.ts';
import type { GearPlan } from '../domain/gear-plan/gear-plan.ts';
import type { Infeasible, PlanRequest } from '../planner/plan-request.ts';
import type { PlanOverrides } from '../planner/request-of-deployment.ts';
import { printWarnings } from './print-warnings.ts';

export const EXIT_INFEASIBLE = 3;

/**
 * Makes a gear plan for a deployment, with a progress line, and explains why when there is none.
 * @throws ConfigError when deployment and profile do not match.
 */
export async function makePlan(
  deployment: Deployment,
  profileFile: string,
  { calibration, ...overrides }: PlanOverrides & Pick<PlanningProfileOptions, 'calibration'>,
): Promise<{ type: 'plan'; plan: GearPlan } | Infeasible> {
  const [{ planningProfile }, { planRequestOf }, { planGears }] = await Promise.all([
    import('../calibration/planning-profile.ts'),
    import('../planner/request-of-deployment.ts'),
    import('../planner/planner.ts'),
  ]);
  const { sharingWarnings } = await import('../domain/deployment/local-cores.ts');
  const { planWarnings } = await import('../domain/gear-plan/plan-warnings.ts');
  const { withFewestDevices } = await import('../planner/provision/fewest-devices.ts');
  const { progressLine } = await import('./progress-line.ts');
  const { planningThreads } = await import('./planning-threads.ts');
  const profile = planningProfile(deployment, profileFile, { calibration });
  printWarnings(sharingWarnings(deployment));
  const request = planRequestOf(deployment, profile, overrides);
  const progress = progressLine();
  const found = await planGears(request, { progress: progress.show, threads: planningThreads() }).finally(progress.clear);
  if (found.type === 'plan') {
    printWarnings(planWarnings(found.plan, profile));
    return found;
  }
  const result = await withFewestDevices(found, request, progress.show).finally(progress.clear);
  process.stderr.write(describeInfeasible(result, request));
  return result;
}

function describeInfeasible({ qpsRange, model, reason, best, fewestDevices }: Infeasible, { slo, devices }: PlanRequest): string {
  const goal = slo.type === 'latency' ? `p95 <= ${slo.p95Ms} ms` : `accuracy >= ${slo.accuracy}`;
  const [from, to] = qpsRange.map((qps) => Number(qps.toFixed(2)));
  return [
    `no plan meets ${goal} on ${devices.length} ${devices.length === 1 ? 'device' : 'devices'}`,
    `  where: ${from} to ${to} requests/s, model ${model}`,
    `  why:   ${reason}`,
    `  best:  ${best.metric} ${best.value === null ? 'without bound' : Number(best.value.toPrecision(4))}, limit ${Number(best.limit.toPrecision(4))}`,
    `  try:   ${describeFewest(fewestDevices)}a laxer SLO (--p95, --accuracy) or a lower --qps-max`,
    '',
  ].join('\n');
}

function describeFewest(fewest: Infeasible['fewestDevices']): string {
  if (fewest === undefined) return 'more devices, ';
  if (fewest.count === null) return `not more devices (up to ${fewest.tried} of them would not do), but `;
  return `${fewest.count} devices like these, the smallest number that works, `;
}
