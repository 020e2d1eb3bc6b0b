import type { Command } from 'commander';
import { jsonFile } from '../../plans/commands/options.ts';
import type { Level } from '../check/finding.ts';
import { natsOption } from '../processes/nats-url.ts';
import type { ServeOptions } from '../processes/serving-context.ts';

interface Options extends ServeOptions {
  readonly json?: string;
}

const EXIT_CODES: Readonly<Record<Level, number>> = { ok: 0, warning: 1, problem: 2 };

export function register(program: Command): void {
  program
    .command('check')
    .description(
      'tell all that is wrong before serving: files, models, data, plan, machine, NATS; exit code 1: warnings, 2: problems',
    )
    .argument('<deployment>', 'deployment file, or its folder')
    .option('--profile <file>', 'profile (default: profile.json beside the deployment)')
    .option('--plan <file>', 'gear plan (default: plan.json beside the deployment)')
    .option('--host <name>', 'name of this host: its devices are those that the deployment gives this host')
    .addOption(natsOption())
    .option('--json <file>', 'write the findings as JSON (- for stdout)', jsonFile)
    .action(async (path: string, options: Options) => {
      const { checkDeployment } = await import('../check/check-deployment.ts');
      const { describeCheck } = await import('../check/describe-check.ts');
      const { writeJson } = await import('../../plans/commands/json-output.ts');
      const report = await checkDeployment(path, options);
      if (options.json !== '-') process.stdout.write(describeCheck(report, path));
      writeJson(options.json, report);
      process.exitCode = EXIT_CODES[report.verdict];
    });
}
