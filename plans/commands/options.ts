import { InvalidArgumentError } from 'commander';
import { ConfigError } from '../../engine/errors.ts';
import { readText } from '../../engine/read-file.ts';
import { requireWritable, whyUnwritable } from '../../engine/write-file.ts';
import { MAX_DEVICES, MAX_RANGES } from '../domain/deployment/limits.ts';
import { parseDurationMs } from '../domain/deployment/units.ts';
import { constantTrace, expectedRequests, MAX_REQUESTS, MAX_SECONDS, parseTrace, type Trace } from '../traces/trace.ts';

/** Parsers for command-line values; commander prefixes their messages with the option's name. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError('use a number above 0');
  return value;
}

export function positiveInteger(text: string): number {
  const value = positiveNumber(text);
  if (!Number.isInteger(value)) throw new InvalidArgumentError('use a whole number above 0');
  return value;
}

/** A whole number from 1 to `most`. */
function wholeNumberUpTo(most: number): (text: string) => number {
  return (text) => {
    const value = positiveInteger(text);
    if (value > most) throw new InvalidArgumentError(`use a whole number from 1 to ${most}`);
    return value;
  };
}

export const traceSeconds = wholeNumberUpTo(MAX_SECONDS);

/** 0 means none. */
export function warmUpSeconds(text: string): number {
  return text.trim() === '0' ? 0 : traceSeconds(text);
}

/** Number of ranges in a plan, from 1. */
export const rangeCount = wholeNumberUpTo(MAX_RANGES);

export const deviceCount = wholeNumberUpTo(MAX_DEVICES);

/** For `--json`: a file to write, or `-` for standard output. */
export function jsonFile(file: string): string {
  return file === '-' ? file : outputFile(file);
}

/** A file to write. Report an unwritable one before doing the work, not after. */
export function outputFile(file: string): string {
  if (file.trim() === '') throw new InvalidArgumentError('name a file');
  if (file === '-') throw new InvalidArgumentError('name a file; for standard output, use --json -');
  const problem = whyUnwritable(file);
  if (problem !== undefined) throw new InvalidArgumentError(`it ${problem}`);
  return file;
}

/**
 * The file to write: that of `--out`, which has been checked, or the default.
 * @throws ConfigError when the default cannot be written: call this before the work.
 */
export function outputOr(byDefault: string, out: string | undefined): string {
  if (out === undefined) requireWritable(byDefault, `${byDefault}, where the result would go without --out,`);
  return out ?? byDefault;
}

export function durationMs(text: string): number {
  const ms = parseDurationMs(Number.isNaN(Number(text)) ? text : Number(text));
  if (ms === undefined || !(ms > 0)) throw new InvalidArgumentError('use milliseconds, such as 100, or a time, such as 100ms');
  return ms;
}

export function fraction(text: string): number {
  const value = positiveNumber(text);
  if (value > 1) throw new InvalidArgumentError('use a fraction from 0 to 1, such as 0.92');
  return value;
}

export interface TraceOptions {
  readonly trace?: string;
  readonly qps?: number;
  readonly seconds?: number;
}

/** The load of `--trace FILE` or `--qps Q --seconds N`. @throws ConfigError */
export function traceOf(options: TraceOptions): Trace {
  const trace = givenTrace(options);
  const requests = expectedRequests(trace);
  if (requests <= MAX_REQUESTS) return trace;
  throw new ConfigError(`a load of ${requests} requests; at most ${MAX_REQUESTS} fit into one run: use a lower or shorter load`);
}

function givenTrace({ trace, qps, seconds }: TraceOptions): Trace {
  if (trace !== undefined) {
    if (qps !== undefined || seconds !== undefined)
      throw new ConfigError('--trace sets load and length: leave out --qps and --seconds');
    return readTrace(trace, '--trace ');
  }
  if (qps === undefined || seconds === undefined) throw new ConfigError('specify the load: --trace FILE, or --qps Q --seconds N');
  return constantTrace(qps, seconds);
}

/**
 * @param option that names the file, for messages; empty for an argument.
 * @throws ConfigError naming file, line and value.
 */
export function readTrace(file: string, option: '' | '--trace ' = ''): Trace {
  return parseTrace(readText(file, `${option}${file}`), file);
}
