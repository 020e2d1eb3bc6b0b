import { type Command, Option } from 'commander';
import { jsonFile, traceSeconds } from '../../plans/commands/options.ts';
import { type HttpAddress, httpAddress } from '../http/address.ts';
import { natsOption } from '../processes/nats-url.ts';

interface Options {
  readonly text?: true;
  readonly emulated?: string | true;
  readonly seconds?: number;
  readonly trace?: string;
  readonly calibrate?: true;
  readonly dashboard?: HttpAddress;
  readonly nats?: string;
  readonly json?: string;
}

const DEFAULT_FAMILY = 'llama-like';
const EXIT_INTERRUPTED = 130;

export function register(program: Command): void {
  program
    .command('demo')
    .description('the fashion example end to end: profile, plan, serve over NATS, replay a trace with spikes, and report')
    .addOption(new Option('--seconds <n>', 'length of the trace (default: its own, about a minute)').argParser(traceSeconds))
    .option('--trace <file>', 'replay this trace, scaled to the plan: CSV with the header second,qps (see `cascade trace`)')
    .addOption(new Option('--text', 'the text example instead: four transformers tell languages apart').conflicts('emulated'))
    .option('--emulated [name]', `a synthetic family on 16 emulated devices instead: llama-like (default), bert-like`)
    .option('--calibrate', 'measure the plan at five loads first, and plan again with the result (takes a minute longer)')
    .option('--dashboard <[host:]port>', 'show it in a browser, too', httpAddress)
    .addOption(natsOption('NATS server to use (default: a private one, started for the demo)'))
    .option('--json <file>', 'write the report as JSON (- for stdout)', jsonFile)
    .action(async ({ emulated, text, ...options }: Options) => {
      const { runDemo } = await import('../demo/run-demo.ts');
      const { writeJson } = await import('../../plans/commands/json-output.ts');
      const interrupted = new AbortController();
      process.on('SIGINT', () => {
        if (interrupted.signal.aborted) process.exit(EXIT_INTERRUPTED);
        process.stderr.write('\nshutting down; press Ctrl-C again to exit at once\n');
        interrupted.abort();
      });
      const example = text === true ? 'languages' : 'fashion';
      const family = emulated === true ? DEFAULT_FAMILY : emulated;
      const report = await runDemo({ ...options, example, emulated: family }, interrupted.signal);
      // Abandoned work (a measurement, a search) would keep the process alive.
      if (report === undefined) process.exit(EXIT_INTERRUPTED);
      writeJson(options.json, report);
    });
}
