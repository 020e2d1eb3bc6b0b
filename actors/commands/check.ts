import type { Command } from 'commander';
import { jsonFile } from '../../plans/commands/options.ts';
import type { CheckOptions } from '../check/check-deployment.ts';
import type { Level } from '../check/finding.ts';
import { httpAddress } from '../http/address.ts';
import { natsOption } from '../processes/nats-url.ts';

interface Options extends CheckOptions {
  readonly json?: string;
}

/** A warning is something to know or still to be done. */
const EXIT_CODES: Readonly<Record<Level, number>> = { ok: 0, warning: 0, problem: 2 };

export function register(program: Command): void {
  program
    .command('check')
    .description(
      'report everything that is wrong before serving: files, models, data, plan, machine, ports, NATS; exit code 2: problems',
    )
    .argument('<deployment>', 'deployment file, or its folder')
    .option('--profile <file>', 'profile (default: profile.json next to the deployment)')
    .option('--plan <file>', 'gear plan (default: plan.json next to the deployment)')
    .option('--host <name>', 'name of this host; selects the devices with this host in the deployment')
    .option('--http <[host:]port>', 'port to check, for `serve --http`', httpAddress)
    .option('--grpc <[host:]port>', 'port to check, for `serve --grpc`', httpAddress)
    .option('--metrics <[host:]port>', 'port to check, for `serve --metrics`', httpAddress)
    .option('--dashboard <[host:]port>', 'port to check, for `serve --dashboard`', httpAddress)
    .option('--health <[host:]port>', 'port to check, for `serve --health`', httpAddress)
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
