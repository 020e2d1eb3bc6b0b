import type { Command } from 'commander';
import { ConfigError } from '../../engine/errors.ts';
import type { Infeasible, PlanRequest } from '../planner/plan-request.ts';
import { durationMs, fraction, positiveInteger, positiveNumber } from './options.ts';

const EXIT_INFEASIBLE = 3;

interface Options {
  readonly profile?: string;
  readonly out?: string;
  readonly p95?: number;
  readonly accuracy?: number;
  readonly qpsMax?: number;
  readonly ranges?: number;
  readonly seed?: number;
  readonly json?: string;
}

/** `cascade plan`: profile in, gear plan out. */
export function register(program: Command): void {
  program
    .command('plan')
    .description('make a gear plan: placement, and for each range of loads the cascade to run')
    .argument('<deployment>', 'deployment file, or its folder')
    .option('--profile <file>', 'profile (default: profile.json beside the deployment)')
    .option('--out <file>', 'where to write the plan (default: plan.json beside the deployment)')
    .option('--p95 <ms>', 'latency SLO instead of the deployment’s', durationMs)
    .option('--accuracy <fraction>', 'accuracy SLO instead of the deployment’s', fraction)
    .option('--qps-max <n>', 'highest load to plan for instead of the deployment’s', positiveNumber)
    .option('--ranges <n>', 'number of equal ranges of load instead of the deployment’s', positiveInteger)
    .option('--seed <n>', 'seed of the simulated arrivals', positiveInteger, 1)
    .option('--json <file>', 'write the plan, or why there is none, as JSON (- for stdout)')
    .action(plan);
}

async function plan(path: string, options: Options): Promise<void> {
  if (options.p95 !== undefined && options.accuracy !== undefined)
    throw new ConfigError('--p95 and --accuracy: a plan holds one of them and gets the best of the other; leave one out');
  const [{ loadDeployment }, { readProfile, requireCurrent }, { planRequestOf }, { planGears }] = await Promise.all([
    import('../deployment.ts'),
    import('../profile-file.ts'),
    import('../planner/request-of-deployment.ts'),
    import('../planner/planner.ts'),
  ]);
  const { withFewestDevices } = await import('../planner/fewest-devices.ts');
  const { planTable } = await import('../plan-table.ts');
  const { writePlan } = await import('../plan-file.ts');
  const { writeJson } = await import('../json-output.ts');
  const { progressLine } = await import('./progress-line.ts');

  const deployment = loadDeployment(path);
  const profileFile = options.profile ?? `${deployment.dir}/profile.json`;
  const profile = readProfile(profileFile);
  requireCurrent(deployment, profile, profileFile);
  const request = planRequestOf(deployment, profile, { ...options, p95Ms: options.p95 });
  const progress = progressLine();
  const { planningThreads } = await import('./planning-threads.ts');
  const found = await planGears(request, { progress: progress.show, threads: planningThreads() }).finally(progress.clear);
  const result = found.type === 'plan' ? found : await withFewestDevices(found, request, progress.show).finally(progress.clear);
  if (result.type === 'infeasible') {
    process.stderr.write(describeInfeasible(result, request));
    writeJson(options.json, result);
    process.exitCode = EXIT_INFEASIBLE;
    return;
  }
  const out = options.out ?? `${deployment.dir}/plan.json`;
  writePlan(out, result.plan);
  if (options.json !== '-') process.stdout.write(planTable(result.plan));
  process.stderr.write(`wrote ${out}\n`);
  writeJson(options.json, result.plan);
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
  if (fewest.count === null) return `not more devices, of which no number up to ${fewest.tried} would do, but `;
  return `${fewest.count} devices like these, the fewest that would do, `;
}
