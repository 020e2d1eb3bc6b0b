import type { Command } from 'commander';
import { CascadeError, ConfigError } from '../../engine/errors.ts';
import { jsonFile } from '../../plans/commands/options.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import type { PlanOrder } from '../operator/push-plan.ts';
import { natsOption, serversOf } from '../processes/nats-url.ts';

interface Options {
  readonly nats?: string;
  readonly json?: string;
  readonly rollback?: string | true;
}

export function register(program: Command): void {
  program
    .command('push-plan')
    .description('put another gear plan in force in a running deployment, without loss; or go back to an earlier one')
    .argument('<deployment>', 'deployment file, or its folder')
    .argument('[plan]', 'gear plan file')
    .option('--rollback [revision]', 'instead of a plan: return to the previous plan, or to a revision')
    .addOption(natsOption())
    .option('--json <file>', 'write the verdict as JSON (- for stdout)', jsonFile)
    .action(async (path: string, plan: string | undefined, options: Options) => {
      const { loadDeployment } = await import('../../plans/domain/deployment/read-deployment.ts');
      const { readPlan } = await import('../../plans/domain/gear-plan/plan-file.ts');
      const { writeJson } = await import('../../plans/commands/json-output.ts');
      const { pushPlan } = await import('../operator/push-plan.ts');
      const { connectTo } = await import('../processes/connect.ts');
      const deployment = loadDeployment(path);
      const order = orderOf(plan, options.rollback, readPlan);
      const servers = serversOf(deployment, options.nats);
      const bus = await connectTo(servers, deployment.nats, 'cascade-push-plan');
      try {
        const verdict = await pushPlan(bus, deployment, order);
        writeJson(options.json, verdict);
        if (!verdict.accepted) throw new CascadeError('INVALID_ARGUMENT', `plan rejected: ${verdict.reason}`);
        if (options.json !== '-') process.stdout.write(`plan adopted as revision ${verdict.revision}\n`);
      } finally {
        await bus.close();
      }
    });
}

function orderOf(plan: string | undefined, rollback: string | true | undefined, read: (file: string) => GearPlan): PlanOrder {
  if ((plan === undefined) === (rollback === undefined))
    throw new ConfigError('push-plan takes either a plan file or --rollback [revision]: name one of them');
  if (plan !== undefined) return read(plan);
  if (rollback === true) return { rollback };
  const revision = Number(rollback);
  if (Number.isInteger(revision) && revision >= 1) return { rollback: revision };
  throw new ConfigError(`--rollback ${rollback}: a revision is a whole number from 1; \`cascade status\` shows the current one`);
}
