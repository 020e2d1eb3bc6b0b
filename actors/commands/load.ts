import { type Command, Option } from 'commander';
import {
  jsonFile,
  positiveInteger,
  positiveNumber,
  type TraceOptions,
  traceOf,
  traceSeconds,
} from '../../plans/commands/options.ts';
import { natsOption, serversOf } from '../processes/nats-url.ts';

interface Options extends TraceOptions {
  readonly nats?: string;
  readonly seed: number;
  readonly json?: string;
}

export function register(program: Command): void {
  program
    .command('load')
    .description('send labelled data to a running deployment, open loop: by the clock, whatever the answers do')
    .argument('<deployment>', 'deployment file, or its folder')
    .option('--trace <file>', 'CSV with the header second,qps; Poisson arrivals within each second')
    .addOption(new Option('--qps <n>', 'constant load, with --seconds').argParser(positiveNumber))
    .addOption(new Option('--seconds <n>', 'length of the run, with --qps').argParser(traceSeconds))
    .addOption(
      new Option('--seed <n>', 'seed of the arrivals and the order of the samples').argParser(positiveInteger).default(1),
    )
    .addOption(natsOption())
    // Scripts for earlier versions name one; the data and the running deployment say all that it said.
    .addOption(new Option('--profile <file>').hideHelp())
    .option('--json <file>', 'write the report as JSON (- for stdout)', jsonFile)
    .action(async (path: string, options: Options) => {
      const trace = traceOf(options);
      const { loadDeployment } = await import('../../plans/domain/deployment/deployment.ts');
      const { loadLabelledData } = await import('../../plans/data/load-labelled-data.ts');
      const { writeJson } = await import('../../plans/commands/json-output.ts');
      const { liveLoad } = await import('../load/live-load.ts');
      const { connectLoad } = await import('../load/load-target.ts');
      const { reportTable } = await import('../../plans/report/report-table.ts');

      const deployment = loadDeployment(path);
      const data = loadLabelledData(deployment);
      const target = await connectLoad(deployment, data, serversOf(deployment, options.nats), 'cascade-load');
      const interrupted = new AbortController();
      process.once('SIGINT', () => {
        process.stderr.write('\nending when what was sent is answered; once more Ctrl-C ends at once\n');
        interrupted.abort();
      });
      try {
        const result = await liveLoad({
          ...target,
          trace,
          seed: options.seed,
          signal: interrupted.signal,
          onWarning: (warning) => process.stderr.write(`warning: ${warning}\n`),
        });
        const emulated = deployment.devices.some(({ kind }) => kind === 'emulated');
        const column = emulated ? 'measured on emulated devices' : 'measured';
        if (options.json !== '-') process.stdout.write(reportTable({ [column]: result.report }));
        for (const [text, count] of result.errors) process.stderr.write(`${count} x ${text}\n`);
        writeJson(options.json, emulated ? { emulated, ...result.report } : result.report);
        const { offered, completed } = result.report;
        if (completed > 0) return;
        process.stderr.write(`${offered === 0 ? 'no request was sent' : `none of ${offered} requests was completed`}\n`);
        process.exitCode = 1;
      } finally {
        await target.client.close();
      }
    });
}
