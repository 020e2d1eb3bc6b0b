import type { Command } from 'commander';
import type { ProvisionOption } from '../planner/provision/provision.ts';
import { deviceCount, durationMs, fraction, jsonFile, positiveInteger, positiveNumber, rangeCount } from './options.ts';
import { printWarnings } from './print-warnings.ts';

const EXIT_INFEASIBLE = 3;
const DEFAULT_MAX = 64;

interface Options {
  readonly p95: number;
  readonly accuracy: number;
  readonly max: number;
  readonly profile?: string;
  readonly calibration: boolean;
  readonly qpsMax?: number;
  readonly ranges?: number;
  readonly seed?: number;
  readonly json?: string;
}

/** `cascade provision`: how many devices are needed. */
export function register(program: Command): void {
  program
    .command('provision')
    .description('find the fewest devices, of the kinds in the deployment, that meet a latency and an accuracy')
    .argument('<deployment>', 'deployment file, or its folder')
    .requiredOption('--p95 <ms>', 'p95 latency that must hold at every load', durationMs)
    .requiredOption('--accuracy <fraction>', 'expected accuracy over the distribution of loads', fraction)
    .option('--max <n>', 'maximum number of devices to consider', deviceCount, DEFAULT_MAX)
    .option('--profile <file>', 'profile (default: profile.json next to the deployment)')
    .option('--no-calibration', 'ignore calibration.json and use the profile as measured')
    .option('--qps-max <n>', 'highest load to plan for instead of the deployment’s', positiveNumber)
    .option('--ranges <n>', 'number of equal ranges of load instead of the deployment’s', rangeCount)
    .option('--seed <n>', 'seed of the simulated arrivals', positiveInteger, 1)
    .option('--json <file>', 'write the answer, with the plan, as JSON (- for stdout)', jsonFile)
    .action(run);
}

async function run(path: string, options: Options): Promise<void> {
  const [{ loadDeployment }, { planningProfile }, { planRequestOf }, { bestOption, provision }] = await Promise.all([
    import('../domain/deployment/read-deployment.ts'),
    import('../calibration/planning-profile.ts'),
    import('../planner/request-of-deployment.ts'),
    import('../planner/provision/provision.ts'),
  ]);
  const { sharingWarnings } = await import('../domain/deployment/local-cores.ts');
  const { planWarnings } = await import('../domain/gear-plan/plan-warnings.ts');
  const { provisionTable } = await import('../report/provision-table.ts');
  const { writeJson } = await import('./json-output.ts');
  const { progressLine } = await import('./progress-line.ts');
  const { planningThreads } = await import('./planning-threads.ts');

  const { p95: p95Ms, accuracy, max } = options;
  const deployment = loadDeployment(path);
  const profileFile = options.profile ?? `${deployment.dir}/profile.json`;
  const profile = planningProfile(deployment, profileFile, options);
  printWarnings(sharingWarnings(deployment));
  const request = planRequestOf(deployment, profile, { ...options, p95Ms, accuracy: undefined });
  const progress = progressLine();
  const found = await provision(request, { p95Ms, accuracy }, max, {
    progress: progress.show,
    threads: planningThreads(),
  }).finally(progress.clear);
  const best = bestOption(found);
  if (best?.fewest !== undefined) printWarnings(planWarnings(best.fewest.plan, profile));
  writeJson(options.json, {
    deployment: deployment.name,
    synthetic: profile.synthetic,
    p95Ms,
    accuracy,
    max,
    devices: best?.fewest?.devices ?? null,
    options: found.map(({ kind, fewest, short }) => ({
      kind,
      devices: fewest?.devices.length ?? null,
      expected: fewest?.plan.expected ?? null,
      short: short === undefined ? null : shortAsJson(short),
    })),
    plan: best?.fewest?.plan ?? null,
  });
  if (options.json !== '-') process.stdout.write(provisionTable(found, { p95Ms, accuracy }, max, profile.synthetic));
  if (best === undefined) process.exitCode = EXIT_INFEASIBLE;
}

function shortAsJson({ devices, expected, why }: NonNullable<ProvisionOption['short']>) {
  return { devices, accuracy: expected?.accuracy, accuracyInterval: expected?.accuracyInterval, why };
}
