import { type Command, Option } from 'commander';
import { ConfigError } from '../../engine/errors.ts';
import {
  durationMs,
  fraction,
  jsonFile,
  positiveInteger,
  positiveNumber,
  type TraceOptions,
  traceOf,
  traceSeconds,
  warmUpSeconds,
} from '../../plans/commands/options.ts';
import type { Deployment } from '../../plans/domain/deployment/deployment.ts';
import type { Trace } from '../../plans/traces/trace.ts';
import type { FoundMax, Goal } from '../load/find-max.ts';
import type { LoadTarget } from '../load/load-target.ts';
import { natsOption, serversOf } from '../processes/nats-url.ts';
import { EXIT_ERROR } from './exit-codes.ts';

interface Options extends TraceOptions {
  readonly findMax?: true;
  readonly within?: number;
  readonly share?: number;
  readonly precision?: number;
  readonly confirm?: number;
  readonly warmUp?: number;
  readonly nats?: string;
  readonly seed: number;
  readonly json?: string;
}

const SEARCH_SECONDS = 10;
const SEARCH_WARM_UP_SECONDS = 2;
const DEFAULT_SHARE = 0.95;
const PRECISION = 0.05;
const CONFIRMATIONS = 3;
const EXIT_INTERRUPTED = 130;

export function register(program: Command): void {
  program
    .command('load')
    .description('send labelled data to a running deployment, open loop: by the clock, regardless of answers')
    .argument('<deployment>', 'deployment file, or its folder')
    .option('--trace <file>', 'CSV with the header second,qps; Poisson arrivals within each second')
    .addOption(
      new Option('--qps <n>', 'constant load, with --seconds; with --find-max, where to start (default: qpsMax)').argParser(
        positiveNumber,
      ),
    )
    .addOption(
      new Option(
        '--seconds <n>',
        `length of the run, with --qps; with --find-max, of each run (default: ${SEARCH_SECONDS})`,
      ).argParser(traceSeconds),
    )
    .addOption(
      new Option('--seed <n>', 'seed of the arrivals and the order of the samples').argParser(positiveInteger).default(1),
    )
    .addOption(
      new Option('--warm-up <n>', 'seconds at the start that do not count (default: 2 with --find-max, else 0)').argParser(
        warmUpSeconds,
      ),
    )
    .addOption(new Option('--find-max', 'search for the highest load that meets the SLO').conflicts('trace'))
    .addOption(
      new Option('--within <time>', 'with --find-max: a latency to meet instead of the SLO, such as 100ms').argParser(durationMs),
    )
    .addOption(
      new Option('--share <fraction>', 'with --find-max: share of all requests that must meet it (default: 0.95)').argParser(
        fraction,
      ),
    )
    .addOption(
      new Option(
        '--precision <fraction>',
        `with --find-max: largest relative gap between a load that met and one that missed (default: ${PRECISION})`,
      ).argParser(fraction),
    )
    .addOption(
      new Option(
        '--confirm <n>',
        `with --find-max: number of runs that must succeed at the load found (default: ${CONFIRMATIONS})`,
      ).argParser(positiveInteger),
    )
    .addOption(natsOption())
    // Accepted for scripts for earlier versions, although the data and the running deployment now provide the same information.
    .addOption(new Option('--profile <file>').hideHelp())
    .option('--json <file>', 'write the report as JSON (- for stdout)', jsonFile)
    .action(load);
}

async function load(path: string, options: Options): Promise<void> {
  const { seed, json, findMax } = options;
  const misplaced = (['within', 'share', 'precision', 'confirm'] as const).find((name) => options[name] !== undefined);
  if (findMax === undefined && misplaced !== undefined) throw new ConfigError(`--${misplaced} is only for --find-max`);
  const trace = findMax === undefined ? traceOf(options) : undefined;
  const { loadDeployment } = await import('../../plans/domain/deployment/read-deployment.ts');
  const { loadLabelledData } = await import('../../plans/data/load-labelled-data.ts');
  const { writeJson } = await import('../../plans/commands/json-output.ts');
  const { connectLoad } = await import('../load/load-target.ts');

  const deployment = loadDeployment(path);
  const goal = findMax === undefined ? undefined : await goalFor(deployment, options);
  const data = loadLabelledData(deployment);
  const target = await connectLoad(deployment, data, serversOf(deployment, options.nats), 'cascade-load');
  const emulated = deployment.devices.some(({ kind }) => kind === 'emulated');
  const interrupted = new AbortController();
  process.once('SIGINT', () => {
    process.stderr.write('\nfinishing once all requests in flight are answered; press Ctrl-C again to exit at once\n');
    interrupted.abort();
  });
  const tell = (line: string): void => void process.stderr.write(`${line}\n`);
  try {
    if (goal !== undefined) {
      const found = await search(target, deployment, goal, options, interrupted.signal, tell);
      if (found !== undefined) writeJson(json, emulated ? { emulated, ...found } : found);
      return;
    }
    if (trace !== undefined) await replay(trace);
  } finally {
    await target.client.close();
  }

  async function replay(load: Trace): Promise<void> {
    const { liveLoad } = await import('../load/live-load.ts');
    const { reportTable } = await import('../../plans/report/report-table.ts');
    const { warmUp = 0 } = options;
    if (warmUp >= load.qps.length) throw new ConfigError(`--warm-up ${warmUp}: the load ends after ${load.qps.length} s`);
    const { report, errors } = await liveLoad({
      ...target,
      trace: load,
      seed,
      warmUpSeconds: warmUp,
      signal: interrupted.signal,
      onWarning: (warning) => tell(`warning: ${warning}`),
    });
    const column = emulated ? 'measured on emulated devices' : 'measured';
    if (json !== '-') process.stdout.write(`${reportTable({ [column]: report })}Poisson arrivals, seed ${seed}\n`);
    for (const [text, count] of errors) tell(`${count} x ${text}`);
    writeJson(json, { ...(emulated ? { emulated } : {}), seed, ...report });
    if (report.completed > 0) return;
    tell(report.offered === 0 ? 'no request was sent' : `none of ${report.offered} requests was completed`);
    process.exitCode = EXIT_ERROR;
  }
}

async function goalFor({ file, slo }: Deployment, { within, share }: Options): Promise<Goal> {
  const { goalOf } = await import('../load/find-max.ts');
  const goal: Goal = within === undefined ? goalOf(slo) : { type: 'latency', withinMs: within, share: DEFAULT_SHARE };
  if (share === undefined) return goal;
  if (goal.type === 'latency') return { ...goal, share };
  throw new ConfigError(`--share ${share}: the SLO of ${file} is an accuracy; also name a latency: --within 100ms`);
}

async function search(
  target: LoadTarget,
  { load: { qpsMax } }: Deployment,
  goal: Goal,
  options: Options,
  signal: AbortSignal,
  tell: (line: string) => void,
): Promise<FoundMax | undefined> {
  const { describeFound, describeGoal, describeStep, findMax } = await import('../load/find-max.ts');
  const { qps = qpsMax, seconds = SEARCH_SECONDS, warmUp = SEARCH_WARM_UP_SECONDS, seed } = options;
  tell(`${describeGoal(goal)}? Runs of ${warmUp} + ${seconds} s, Poisson arrivals, seeds from ${seed}`);
  const found = await findMax({
    target,
    goal,
    fromQps: qps,
    seconds,
    warmUpSeconds: warmUp,
    seed,
    precision: options.precision ?? PRECISION,
    confirmations: options.confirm ?? CONFIRMATIONS,
    signal,
    onStep: (step) => tell(describeStep(step, goal)),
  });
  if (found === undefined) {
    tell('stopped before the highest load was found');
    process.exitCode = EXIT_INTERRUPTED;
    return undefined;
  }
  if (options.json !== '-') process.stdout.write(`${describeFound(found)}\n`);
  if (found.maxQps === null) process.exitCode = EXIT_ERROR;
  return found;
}
