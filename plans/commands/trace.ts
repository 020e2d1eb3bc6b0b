import { type Command, InvalidArgumentError, Option } from 'commander';
import { ConfigError } from '../../engine/errors.ts';
import type { Random } from '../../engine/random.ts';
import type { ImportOptions } from '../traces/import-trace.ts';
import { STAMP_UNITS } from '../traces/time-stamp.ts';
import type { Trace } from '../traces/trace.ts';
import { TRACE_FORMATS } from '../traces/trace-formats.ts';
import { outputFile, positiveInteger, positiveNumber, readTrace, traceSeconds } from './options.ts';

/** Higher rates do not fit into a run. */
const MOST_QPS = 1e9;

/** A trace has one rate for each second, and every change of an mmpp takes time to compute. */
const SHORTEST_STAY_SECONDS = 0.01;

/** Where to write the trace. */
interface Output {
  readonly out?: string;
}

/** `cascade trace`: imports, changes or makes traces. */
export function register(program: Command): void {
  const trace = program
    .command('trace')
    .description('make load traces for load, simulate and demo: import public ones, change them, or generate some');
  registerImport(trace);
  registerChanges(trace);
  registerMake(trace);
}

function out(command: Command): Command {
  return command.option('-o, --out <file>', 'write the trace, CSV with the header second,qps (default: stdout)', traceFile);
}

function traceFile(file: string): string {
  if (file === '-') throw new InvalidArgumentError('leave it out to write to standard output');
  return outputFile(file);
}

function registerImport(trace: Command): void {
  out(
    trace
      .command('import')
      .description(
        'convert a log to requests per second: Azure LLM inference traces (2023, 2024), Azure Functions traces (2019, 2021), or time stamps',
      )
      .argument('<file>', 'CSV or TSV; one line per request, or per function with its requests per minute')
      .addOption(new Option('--format <format>', 'default: detected from the header').choices(TRACE_FORMATS))
      .option('--column <name>', 'column of the time stamps; 1, 2, ... if there is no header')
      .addOption(
        new Option('--unit <unit>', 'unit of numeric time stamps, and of durations (default: s)').choices(
          Object.keys(STAMP_UNITS),
        ),
      )
      .option(
        '--only <column=value>',
        'only rows with this value, such as Trigger=http; may be repeated',
        (text: string, before: ImportOptions['only'] = []) => [...before, columnValue(text)],
      ),
  ).action(async (file: string, options: ImportOptions & Output) => {
    const { open } = await import('node:fs/promises');
    const { importTrace } = await import('../traces/import-trace.ts');
    try {
      const handle = await open(file);
      await writeTrace(await importTrace(handle.readLines(), file, options), options);
    } catch (error) {
      // From the file system; anything else is a defect.
      if (error instanceof Error && 'syscall' in error) throw new ConfigError(`${file}: cannot be read: ${error.message}`);
      throw error;
    }
  });
}

function columnValue(text: string): { column: string; value: string } {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('use COLUMN=VALUE, such as Trigger=http');
  return { column: text.slice(0, at), value: text.slice(at + 1) };
}

interface Scale extends Output {
  readonly peak?: number;
  readonly mean?: number;
  readonly factor?: number;
  readonly seconds?: number;
}

function registerChanges(trace: Command): void {
  out(
    trace
      .command('scale')
      .description('scale a trace to another load or another length, keeping its shape')
      .argument('<trace>', 'CSV with the header second,qps')
      .addOption(rateOption('--peak <qps>', 'highest second').conflicts(['mean', 'factor']))
      .addOption(rateOption('--mean <qps>', 'requests per second on average').conflicts('factor'))
      .addOption(rateOption('--factor <x>', 'multiply the load by this'))
      .option('--seconds <n>', 'stretch it to this length, at the same rates, or shrink it, averaging them', traceSeconds),
  ).action(async (file: string, options: Scale) => {
    const { peak, mean, factor, seconds } = options;
    if (peak === undefined && mean === undefined && factor === undefined && seconds === undefined)
      throw new ConfigError('specify what to scale to: --peak Q, --mean Q, --factor X or --seconds N');
    const { expectedRequests, scaleToMean, scaleToPeak, stretchTrace } = await import('../traces/trace.ts');
    const given = readTrace(file);
    if (expectedRequests(given) === 0) throw new ConfigError(`${file}: has no requests: nothing to scale`);
    const stretched = seconds === undefined ? given : stretchTrace(given, seconds);
    if (peak !== undefined) await writeTrace(scaleToPeak(stretched, peak), options);
    else if (mean !== undefined) await writeTrace(scaleToMean(stretched, mean), options);
    else await writeTrace({ qps: stretched.qps.map((qps) => qps * (factor ?? 1)) }, options);
  });
  out(
    trace
      .command('drop-empty')
      .description('leave out the seconds without requests, for a sustained load')
      .argument('<trace>', 'CSV with the header second,qps'),
  ).action(async (file: string, options: Output) => {
    const { dropEmptySeconds } = await import('../traces/trace.ts');
    const dropped = dropEmptySeconds(readTrace(file));
    if (dropped.qps.length === 0) throw new ConfigError(`${file}: has no requests: no second is left`);
    await writeTrace(dropped, options);
  });
  out(
    trace
      .command('cut')
      .description('extract a part of a trace, which then starts at second 0')
      .argument('<trace>', 'CSV with the header second,qps')
      .option('--from <second>', 'first second of the part', second, 0)
      .requiredOption('--seconds <n>', 'length of the part', traceSeconds),
  ).action(async (file: string, options: Output & { readonly from: number; readonly seconds: number }) => {
    const { cutTrace } = await import('../traces/trace.ts');
    const given = readTrace(file);
    const to = options.from + options.seconds;
    if (to > given.qps.length)
      throw new ConfigError(
        `${file}: has ${given.qps.length} seconds; --from ${options.from} --seconds ${options.seconds} ends at ${to}`,
      );
    await writeTrace(cutTrace(given, options.from, to), options);
  });
}

interface Make extends Output {
  readonly seconds: number;
  readonly seed: number;
  readonly noise: number;
}

function registerMake(trace: Command): void {
  const make = trace.command('make').description('generate traces; the same options and seed give the same trace');
  const shape = (name: string, description: string): Command =>
    out(
      make
        .command(name)
        .description(description)
        .requiredOption('--seconds <n>', 'length', traceSeconds)
        .option('--seed <n>', 'seed of the random numbers', positiveInteger, 1)
        .option('--noise <x>', 'standard deviation of each rate relative to its mean, such as 0.1', notNegative, 0),
    );
  shape('diurnal', 'day and night: a wave from the low load to the peak and back')
    .addOption(rateOption('--low <qps>', 'at the start of each period').makeOptionMandatory())
    .addOption(rateOption('--peak <qps>', 'in the middle of each period').makeOptionMandatory())
    .option('--period <seconds>', 'length of a period (default: that of the trace)', positiveNumber)
    .action(async (options: Make & { low: number; peak: number; period?: number }) => {
      const { diurnalTrace } = await import('../traces/make-trace.ts');
      const { seconds, low, peak, period = seconds } = options;
      if (low > peak) throw new ConfigError(`--low ${low} is above --peak ${peak}`);
      await writeMade(options, (random) => diurnalTrace({ ...options, periodSeconds: period }, random));
    });
  shape('mmpp', 'a Markov-modulated Poisson process: the load jumps among some rates, and stays at each for a random time')
    .requiredOption('--rates <qps,qps,...>', 'two or more; it starts at the first', rates)
    .requiredOption('--stay <seconds,...>', `mean time at each rate, or one for all; at least ${SHORTEST_STAY_SECONDS}`, stays)
    .action(async (options: Make & { rates: readonly number[]; stay: readonly number[] }) => {
      const { markovModulatedTrace } = await import('../traces/make-trace.ts');
      const { stay } = options;
      if (stay.length !== 1 && stay.length !== options.rates.length)
        throw new ConfigError(
          `--stay has ${stay.length} times, but --rates has ${options.rates.length} rates; give one for all, or one for each`,
        );
      const states = options.rates.map((qps, i) => ({ qps, staySeconds: stay.length === 1 ? stay[0] : stay[i] }));
      await writeMade(options, (random) => markovModulatedTrace({ ...options, states }, random));
    });
  shape('flash-crowd', 'a calm load, and crowds that come and go')
    .addOption(rateOption('--base <qps>', 'without a crowd').makeOptionMandatory())
    .addOption(rateOption('--peak <qps>', 'with a crowd').makeOptionMandatory())
    .option('--at <second,second,...>', 'when crowds start to arrive (default: at random)', seconds)
    .addOption(new Option('--crowds <n>', 'how many, at random times (default: 1)').argParser(positiveInteger).conflicts('at'))
    .option('--rise <seconds>', 'how long a crowd takes to arrive', notNegative, 0)
    .option('--hold <seconds>', 'how long it stays', notNegative, 10)
    .option('--fall <seconds>', 'how long it takes to leave', notNegative, 0)
    .action(async (options: Make & Crowd) => {
      const { crowdTimes, flashCrowdTrace } = await import('../traces/make-trace.ts');
      const { base, peak, rise, hold, fall, at, crowds = 1 } = options;
      if (base > peak) throw new ConfigError(`--base ${base} is above --peak ${peak}: crowds would lower the load`);
      if (crowds > options.seconds)
        throw new ConfigError(`--crowds ${crowds}: the trace has ${options.seconds} seconds; at most one crowd for each`);
      if (rise + hold + fall === 0)
        throw new ConfigError('--hold 0: a crowd would bring no requests; let it stay, or rise and fall');
      const shaped = { ...options, riseSeconds: rise, holdSeconds: hold, fallSeconds: fall };
      const late = at?.find((begin) => begin >= options.seconds);
      if (late !== undefined) throw new ConfigError(`--at ${late}: the trace has ${options.seconds} seconds`);
      await writeMade(options, (random) =>
        flashCrowdTrace({ ...shaped, atSeconds: at ?? crowdTimes(crowds, shaped, random) }, random),
      );
    });
}

interface Crowd {
  readonly base: number;
  readonly peak: number;
  readonly at?: readonly number[];
  readonly crowds?: number;
  readonly rise: number;
  readonly hold: number;
  readonly fall: number;
}

async function writeMade(options: Make, make: (random: Random) => Trace): Promise<void> {
  const { createRandom } = await import('../../engine/random.ts');
  await writeTrace(make(createRandom(options.seed)), options);
}

/** Writes a trace, and describes it on stderr. */
async function writeTrace(trace: Trace, { out: file }: Output): Promise<void> {
  const { writeWhole } = await import('../../engine/write-file.ts');
  const { describeTrace, formatTrace, peakQps } = await import('../traces/trace.ts');
  // Also catches NaN, which extreme options can make.
  if (!(peakQps(trace) <= MOST_QPS))
    throw new ConfigError(`a peak of ${peakQps(trace)} requests/s; at most ${MOST_QPS} fit into a trace`);
  if (peakQps(trace) === 0) throw new ConfigError('the trace would have no requests');
  if (file === undefined) process.stdout.write(formatTrace(trace));
  else writeWhole(file, formatTrace(trace), `--out ${file}`);
  process.stderr.write(`${file === undefined ? '' : `wrote ${file}: `}${describeTrace(trace)}\n`);
}

function rateOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser(rate);
}

function rate(text: string): number {
  const value = positiveNumber(text);
  if (value > MOST_QPS) throw new InvalidArgumentError(`use a number above 0, up to ${MOST_QPS}`);
  return value;
}

function notNegative(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!(value >= 0) || !Number.isFinite(value)) throw new InvalidArgumentError('use a number of 0 or more');
  return value;
}

function second(text: string): number {
  const value = notNegative(text);
  if (!Number.isInteger(value)) throw new InvalidArgumentError('use a whole number of 0 or more');
  return value;
}

function listOf(text: string, parse: (part: string) => number): number[] {
  return text.split(',').map(parse);
}

const seconds = (text: string): number[] => listOf(text, second);

function stays(text: string): number[] {
  return listOf(text, (part) => {
    const value = positiveNumber(part);
    if (value < SHORTEST_STAY_SECONDS) throw new InvalidArgumentError(`use seconds of ${SHORTEST_STAY_SECONDS} or more`);
    return value;
  });
}

function rates(text: string): number[] {
  const values = listOf(text, (part) => {
    const value = notNegative(part);
    if (value > MOST_QPS) throw new InvalidArgumentError(`use numbers up to ${MOST_QPS}`);
    return value;
  });
  if (values.length < 2) throw new InvalidArgumentError('use two rates or more, such as 100,800');
  return values;
}
