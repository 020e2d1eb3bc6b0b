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
    .description('tell all that is wrong before serving: files, models, data, plan, machine, ports, NATS; exit code 2: problems')
    .argument('<deployment>', 'deployment file, or its folder')
    .option('--profile <file>', 'profile (default: profile.json beside the deployment)')
    .option('--plan <file>', 'gear plan (default: plan.json beside the deployment)')
    .option('--host <name>', 'name of this host: its devices are those that the deployment gives this host')
    .option('--http <[host:]port>', 'where `serve --http` is to listen; likewise:', httpAddress)
    .option('--grpc <[host:]port>', 'of `serve --grpc`', httpAddress)
    .option('--metrics <[host:]port>', 'of `serve --metrics`', httpAddress)
    .option('--dashboard <[host:]port>', 'of `serve --dashboard`', httpAddress)
    .option('--health <[host:]port>', 'of `serve --health`', httpAddress)
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
