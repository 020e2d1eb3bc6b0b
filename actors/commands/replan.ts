import type { Command } from 'commander';
import { shownServers } from '../../engine/bus/server-urls.ts';
import { CascadeError } from '../../engine/errors.ts';
import { EXIT_INFEASIBLE } from '../../plans/commands/make-plan.ts';
import { jsonFile, outputFile, outputOr, positiveInteger, positiveNumber } from '../../plans/commands/options.ts';
import type { Verdict } from '../controller/plan-change.ts';
import { natsOption, serversOf } from '../processes/nats-url.ts';

interface Options {
  readonly profile?: string;
  readonly calibration: boolean;
  readonly nats?: string;
  readonly out?: string;
  readonly push?: true;
  readonly qpsMax?: number;
  readonly seed?: number;
  readonly json?: string;
}

export function register(program: Command): void {
  program
    .command('replan')
    .description('make a gear plan for the load that a running deployment has measured')
    .argument('<deployment>', 'deployment file, or its folder')
    .option('--profile <file>', 'profile (default: profile.json next to the deployment)')
    .option('--no-calibration', 'ignore calibration.json and use the profile as measured')
    .addOption(natsOption())
    .option('--out <file>', 'where to write the plan (default: replanned.json next to the deployment)', outputFile)
    .option('--push', 'put it in force in the running deployment, without loss')
    .option('--qps-max <n>', 'highest load to plan for instead of the deployment’s', positiveNumber)
    .option('--seed <n>', 'seed of the simulated arrivals', positiveInteger, 1)
    .option('--json <file>', 'write { out, plan, verdict } as JSON (- for stdout); verdict is null without --push', jsonFile)
    .action(replan);
}

async function replan(path: string, options: Options): Promise<void> {
  const { loadDeployment } = await import('../../plans/domain/deployment/read-deployment.ts');
  const { makePlan } = await import('../../plans/commands/make-plan.ts');
  const { planTable } = await import('../../plans/report/plan-table.ts');
  const { writePlan } = await import('../../plans/domain/gear-plan/plan-file.ts');
  const { writeJson } = await import('../../plans/commands/json-output.ts');
  const { askStatus } = await import('../operator/ask-status.ts');
  const { describeAudit } = await import('../controller/describe-audit.ts');
  const { measuredLoad } = await import('../controller/measured-load.ts');
  const { pushPlan } = await import('../operator/push-plan.ts');
  const { connectTo } = await import('../processes/connect.ts');

  const deployment = loadDeployment(path);
  const out = outputOr(`${deployment.dir}/replanned.json`, options.out);
  const servers = serversOf(deployment, options.nats);
  const bus = await connectTo(servers, deployment.nats, 'cascade-replan');
  try {
    const { drift } = await askStatus(bus, deployment, shownServers(servers));
    const asked = { ...deployment.load, qpsMax: options.qpsMax ?? deployment.load.qpsMax };
    const { load, warning } = measuredLoad(asked, drift, deployment.drift.minSamples);
    if (warning !== undefined) process.stderr.write(`warning: ${warning}\n`);
    // We can plan for a new load, but the profile does not cover what the models do with different inputs.
    if (drift?.audit?.lost) process.stderr.write(`warning: ${describeAudit(drift.audit)}\n`);
    const found = await makePlan({ ...deployment, load }, options.profile ?? `${deployment.dir}/profile.json`, options);
    if (found.type === 'infeasible') {
      writeJson(options.json, found);
      process.exitCode = EXIT_INFEASIBLE;
      return;
    }
    const { plan } = found;
    writePlan(out, plan);
    process.stderr.write(`wrote ${out}\n`);
    const verdict: Verdict | null = options.push === undefined ? null : await pushPlan(bus, deployment, plan);
    if (options.json !== '-') process.stdout.write(planTable(plan));
    writeJson(options.json, { out, plan, verdict });
    if (verdict === null) return;
    if (!verdict.accepted) throw new CascadeError('INVALID_ARGUMENT', `plan rejected: ${verdict.reason}`);
    process.stderr.write(`plan adopted as revision ${verdict.revision}\n`);
  } finally {
    await bus.close();
  }
}
