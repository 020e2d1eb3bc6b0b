import { readFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import { ConfigError, messageOf } from '../../engine/errors.ts';
import { parseDurationMs } from '../deployment/units.ts';
import { constantTrace, parseTrace, type Trace } from '../trace.ts';

/** Parsers of command-line values; commander adds the option's name to what they say. */
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
export function traceOf({ trace, qps, seconds }: TraceOptions): Trace {
  if (trace !== undefined) {
    if (qps !== undefined || seconds !== undefined)
      throw new ConfigError('--trace says load and length: leave out --qps and --seconds');
    return parseTrace(readText(trace), trace);
  }
  if (qps === undefined || seconds === undefined) throw new ConfigError('say the load: --trace FILE, or --qps Q --seconds N');
  return constantTrace(qps, seconds);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`--trace ${file}: cannot be read: ${messageOf(error)}`);
  }
}
