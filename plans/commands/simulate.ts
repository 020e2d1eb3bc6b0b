import type { Command } from 'commander';
import { jsonFile, positiveInteger, positiveNumber, type TraceOptions, traceOf, traceSeconds } from './options.ts';
import { printWarnings } from './print-warnings.ts';

interface Options extends TraceOptions {
  readonly profile?: string;
  readonly calibration: boolean;
  readonly plan?: string;
  readonly seed: number;
  readonly slowdown: readonly string[];
  readonly json?: string;
}

/** `cascade simulate`: how a plan performs under a load. */
export function register(program: Command): void {
  program
    .command('simulate')
    .description('simulate a gear plan under a load, with the runtimes and answers of the profile')
    .argument('<deployment>', 'deployment file, or its folder')
    .option('--profile <file>', 'profile (default: profile.json next to the deployment)')
    .option('--no-calibration', 'ignore calibration.json and use the profile as measured')
    .option('--plan <file>', 'gear plan (default: plan.json next to the deployment)')
    .option('--trace <file>', 'CSV with the header second,qps; Poisson arrivals within each second')
    .option('--qps <n>', 'constant load, with --seconds', positiveNumber)
    .option('--seconds <n>', 'length of the run, with --qps', traceSeconds)
    .option('--seed <n>', 'seed of the arrivals and the order of the samples', positiveInteger, 1)
    .option(
      '--slowdown <spec>',
      '[DEVICE=]FACTOR[@FROM-TO]: make a device, or all, take FACTOR times as long as profiled, from second FROM to TO of the run; may be repeated',
      (spec: string, before: readonly string[]) => [...before, spec],
      [],
    )
    .option('--json <file>', 'write the report as JSON (- for stdout)', jsonFile)
    .action(simulate);
}

async function simulate(path: string, options: Options): Promise<void> {
  const trace = traceOf(options);
  const [{ loadDeployment }, { planningProfile }, { readPlan }, { checkPlanFor, refusePlan }, { simulatePlan }] =
    await Promise.all([
      import('../domain/deployment/read-deployment.ts'),
      import('../calibration/planning-profile.ts'),
      import('../domain/gear-plan/plan-file.ts'),
      import('../domain/gear-plan/plan-check.ts'),
      import('../simulator/simulate-plan.ts'),
    ]);
  const { sharingWarnings } = await import('../domain/deployment/local-cores.ts');
  const { parseSlowdown } = await import('../simulator/parse-slowdown.ts');
  const { assumedSlowdown, describeSlowdown } = await import('../simulator/slowdown.ts');
  const { reportTable } = await import('../report/report-table.ts');
  const { writeJson } = await import('./json-output.ts');

  const deployment = loadDeployment(path);
  const profileFile = options.profile ?? `${deployment.dir}/profile.json`;
  const profile = planningProfile(deployment, profileFile, options);
  printWarnings(sharingWarnings(deployment));
  const planFile = options.plan ?? `${deployment.dir}/plan.json`;
  const plan = readPlan(planFile);
  refusePlan(planFile, checkPlanFor(deployment, plan));
  const scope = { devices: plan.devices, seconds: trace.qps.length };
  const slowdowns = options.slowdown.map((spec) => parseSlowdown(spec, scope));
  const { report } = simulatePlan(deployment, profile, plan, trace, options.seed, slowdowns);
  const { synthetic } = profile;
  const column = synthetic ? 'simulated, synthetic profile' : 'simulated';
  if (options.json !== '-') {
    const assumed = slowdowns.map((slowdown) => `assumed: ${describeSlowdown(slowdown)}\n`);
    const { audits } = report;
    const audited = audits === undefined ? '' : `audited: ${audits.compared} of ${audits.drawn} answers drawn, in spare time\n`;
    process.stdout.write(reportTable({ [column]: report }) + assumed.join('') + audited);
  }
  if (synthetic) process.stderr.write('the profile is synthetic: runtimes or answers are made up\n');
  const assumed = slowdowns.length === 0 ? {} : { slowdowns: slowdowns.map(assumedSlowdown) };
  writeJson(options.json, { ...(synthetic ? { synthetic } : {}), seed: options.seed, ...report, ...assumed });
}
