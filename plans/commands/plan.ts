import type { Command } from 'commander';
import { ConfigError } from '../../engine/errors.ts';
import { EXIT_INFEASIBLE, makePlan } from './make-plan.ts';
import { durationMs, fraction, jsonFile, outputFile, outputOr, positiveInteger, positiveNumber, rangeCount } from './options.ts';
import { shellWord } from './shell-word.ts';

interface Options {
  readonly profile?: string;
  readonly calibration: boolean;
  readonly out?: string;
  readonly p95?: number;
  readonly accuracy?: number;
  readonly qpsMax?: number;
  readonly ranges?: number;
  readonly seed?: number;
  readonly json?: string;
}

/** `cascade plan`: makes a gear plan from a profile. */
export function register(program: Command): void {
  program
    .command('plan')
    .description('make a gear plan: placement, and the cascade to run for each range of loads')
    .argument('<deployment>', 'deployment file, or its folder')
    .option('--profile <file>', 'profile (default: profile.json next to the deployment)')
    .option('--no-calibration', 'ignore calibration.json and use the profile as measured')
    .option('--out <file>', 'where to write the plan (default: plan.json next to the deployment)', outputFile)
    .option('--p95 <ms>', 'latency SLO instead of the deployment’s', durationMs)
    .option('--accuracy <fraction>', 'accuracy SLO instead of the deployment’s', fraction)
    .option('--qps-max <n>', 'highest load to plan for instead of the deployment’s', positiveNumber)
    .option('--ranges <n>', 'number of equal ranges of load instead of the deployment’s', rangeCount)
    .option('--seed <n>', 'seed of the simulated arrivals', positiveInteger, 1)
    .option('--json <file>', 'write the plan, or why there is none, as JSON (- for stdout)', jsonFile)
    .action(plan);
}

async function plan(path: string, options: Options): Promise<void> {
  if (options.p95 !== undefined && options.accuracy !== undefined)
    throw new ConfigError('--p95 and --accuracy: a plan guarantees one of them and optimises the other; leave one out');
  const { loadDeployment } = await import('../domain/deployment/read-deployment.ts');
  const { planTable } = await import('../report/plan-table.ts');
  const { writePlan } = await import('../domain/gear-plan/plan-file.ts');
  const { writeJson } = await import('./json-output.ts');

  const deployment = loadDeployment(path);
  const out = outputOr(`${deployment.dir}/plan.json`, options.out);
  const result = await makePlan(deployment, options.profile ?? `${deployment.dir}/profile.json`, {
    ...options,
    p95Ms: options.p95,
  });
  if (result.type === 'infeasible') {
    writeJson(options.json, result);
    process.exitCode = EXIT_INFEASIBLE;
    return;
  }
  writePlan(out, result.plan);
  if (options.json !== '-') process.stdout.write(planTable(result.plan));
  process.stderr.write(`wrote ${out}\nnext: cascade serve ${shellWord(path)}\n`);
  writeJson(options.json, result.plan);
}
