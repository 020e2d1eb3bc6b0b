import { readFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import { ConfigError, messageOf } from '../../engine/errors.ts';
import { constantTrace, parseTrace, type Trace } from '../../plans/trace.ts';

export interface TraceOptions {
  readonly trace?: string;
  readonly qps?: number;
  readonly seconds?: number;
}

/** The load of `--trace T` or `--qps Q --seconds N`. @throws ConfigError */
export function readTrace({ trace, qps, seconds }: TraceOptions): Trace {
  if (trace !== undefined) {
    if (qps !== undefined || seconds !== undefined)
      throw new ConfigError('--trace says load and length: leave out --qps and --seconds');
    return parseTrace(readText(trace), trace);
  }
  if (qps === undefined || seconds === undefined) throw new ConfigError('say what to send: --trace FILE, or --qps Q --seconds N');
  return constantTrace(qps, seconds);
}

/** Parser of a command-line number. */
export function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError('use a number above 0');
  return value;
}

export function wholeSeconds(text: string): number {
  const value = positive(text);
  if (!Number.isInteger(value)) throw new InvalidArgumentError('use a whole number of seconds');
  return value;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`--trace ${file}: cannot be read: ${messageOf(error)}`);
  }
}
