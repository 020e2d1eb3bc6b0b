import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { ConfigError } from '../../engine/errors.ts';
import { STRATEGY_NAMES, type StrategyName } from '../evaluation/strategies/names.ts';
import type { Trace } from '../traces/trace.ts';
import {
  deviceCount,
  durationMs,
  fraction,
  jsonFile,
  outputFile,
  positiveInteger,
  positiveNumber,
  rangeCount,
  type TraceOptions,
  traceOf,
  traceSeconds,
} from './options.ts';

interface Options extends TraceOptions {
  readonly profile?: string;
  readonly calibration: boolean;
  readonly strategies: readonly StrategyName[];
  readonly devices?: readonly number[];
  readonly p95?: readonly number[];
  readonly accuracy?: readonly number[];
  readonly ranges?: number;
  readonly seed: number;
  readonly results?: string;
  readonly writePlan?: string;
  readonly html?: string;
  readonly json?: string;
}

/** Multiples of the latency SLO or, without one, of the time the most accurate model takes for one request. */
const P95_FACTORS = [1 / 4, 1 / 2, 1, 2];

/** `cascade compare`: what other strategies achieve on the same load, and how many devices they need. */
export function register(program: Command): void {
  program
    .command('compare')
    .description('compare strategies on one load in the simulator: cascades with gears, and common alternatives')
    .argument('<deployment>', 'deployment file, or its folder')
    .option('--trace <file>', 'CSV with the header second,qps; Poisson arrivals within each second')
    .option('--qps <n>', 'constant load, with --seconds', positiveNumber)
    .option('--seconds <n>', 'length of the run, with --qps', traceSeconds)
    .option('--strategies <list>', `some of ${STRATEGY_NAMES.join(',')}`, strategyList, [...STRATEGY_NAMES])
    .option(
      '--devices <counts>',
      'numbers of devices, such as 4, 1..8 or 1,2,4 (default: powers of two up to the deployment’s number)',
      counts,
    )
    .option(
      '--p95 <list>',
      'latencies to compare at, such as 100ms,400ms (default: ¼, ½, 1 and 2 times the SLO)',
      list(durationMs),
    )
    .option(
      '--accuracy <list>',
      'accuracies to compare at, such as 0.8,0.84 (default: between those of the models)',
      list(fraction),
    )
    .option('--profile <file>', 'profile (default: profile.json next to the deployment)')
    .option('--no-calibration', 'ignore calibration.json and use the profile as measured')
    .option('--ranges <n>', 'number of equal ranges of load instead of the deployment’s', rangeCount)
    .option('--seed <n>', 'seed of the arrivals, the order of the samples and the planner', positiveInteger, 1)
    .option(
      '--results <folder>',
      'results of bench:planner, bench:fidelity, bench:strategies and bench:scaling, to show on the page',
    )
    .option('--write-plan <folder>', 'write the plan of each strategy as <strategy>.plan.json, for serving')
    .option('--html <file>', 'write one self-contained page with plots', outputFile)
    .option('--json <file>', 'write the comparison as JSON (- for stdout)', jsonFile)
    .action(compare);
}

async function compare(path: string, options: Options): Promise<void> {
  const trace = await loadToCompare(options);
  const [{ loadDeployment }, { planningProfile }, { compareStrategies }, { comparisonTables }] = await Promise.all([
    import('../domain/deployment/read-deployment.ts'),
    import('../calibration/planning-profile.ts'),
    import('../evaluation/compare.ts'),
    import('../evaluation/page/tables.ts'),
  ]);
  const { progressLine } = await import('./progress-line.ts');
  const { readBenchResults } = await import('../evaluation/bench-results.ts');
  const { comparisonPage } = await import('../evaluation/page/page.ts');
  const { makePlanFolder, writeComparedPlans } = await import('../evaluation/written-plans.ts');
  const { writeJson } = await import('./json-output.ts');
  const { writeWhole } = await import('../../engine/write-file.ts');

  const deployment = loadDeployment(path);
  if (options.writePlan !== undefined) makePlanFolder(options.writePlan);
  const profile = planningProfile(deployment, options.profile ?? `${deployment.dir}/profile.json`, options);
  const bench = readBenchResults(options.results);
  const progress = progressLine();
  const { comparison, chosen } = await compareStrategies({
    deployment,
    profile,
    trace,
    seed: options.seed,
    strategies: options.strategies,
    deviceCounts: options.devices ?? doubledUpTo(deployment.devices.length),
    p95LevelsMs: options.p95 ?? defaultLevels(),
    accuracyLevels: options.accuracy,
    ranges: options.ranges,
    progress: progress.show,
    nowMs: () => performance.now(),
  }).finally(progress.clear);
  if (options.json !== '-') process.stdout.write(comparisonTables(comparison));
  writeJson(options.json, { ...comparison, bench });
  if (options.writePlan !== undefined) {
    for (const said of writeComparedPlans(options.writePlan, chosen, deployment)) process.stderr.write(`${said}\n`);
  }
  if (options.html !== undefined) {
    writeWhole(options.html, comparisonPage([{ comparison, bench }]), `--html ${options.html}`);
    process.stderr.write(`wrote ${options.html}\n`);
  }

  function defaultLevels(): number[] {
    const slowestMs = Math.max(...profile.models.flatMap(({ runtimes }) => Object.values(runtimes).map(({ ms }) => ms[0])));
    const base = deployment.slo.type === 'latency' ? deployment.slo.p95Ms : 2 * slowestMs;
    return P95_FACTORS.map((factor) => factor * base);
  }
}

/** Without requests, there is no load to plan for; at very low rates, none may arrive. */
async function loadToCompare(options: Options): Promise<Trace> {
  const { createRandom } = await import('../../engine/random.ts');
  const { traceWorkload } = await import('../simulator/workload.ts');
  const trace = traceOf(options);
  if (traceWorkload(trace, 1, createRandom(options.seed)).arrivalsMs.length > 0) return trace;
  throw new ConfigError(`${options.trace === undefined ? 'the load' : `--trace ${options.trace}:`} has no requests`);
}

function doubledUpTo(most: number): number[] {
  const found: number[] = [];
  for (let count = 1; count < most; count *= 2) found.push(count);
  return [...found, most];
}

function strategyList(text: string): StrategyName[] {
  return [...new Set(text.split(','))].map((name) => {
    const known = STRATEGY_NAMES.find((strategy) => strategy === name.trim());
    if (known === undefined)
      throw new InvalidArgumentError(`unknown strategy ${JSON.stringify(name)}; use ${STRATEGY_NAMES.join(', ')}`);
    return known;
  });
}

function list(parse: (text: string) => number): (text: string) => number[] {
  return (text) => ascending(text.split(',').map((part) => parse(part.trim())));
}

/** `4`, `1..8`, `1,2,4` */
function counts(text: string): number[] {
  return ascending(
    text.split(',').flatMap((part) => {
      const [from, to = from, more] = part.split('..').map(deviceCount);
      if (more !== undefined || to < from) throw new InvalidArgumentError('use a number of devices, or a range such as 1..8');
      return Array.from({ length: to - from + 1 }, (_, i) => from + i);
    }),
  );
}

function ascending(values: readonly number[]): number[] {
  return [...new Set(values)].sort((a, b) => a - b);
}
