import { ConfigError } from '../../engine/errors.ts';
import type { Slowdown } from './slowdown.ts';

/** `[DEVICE=]FACTOR[@FROM-TO]` */
const FORM = /^(?:([^=@]+)=)?([^=@]+)(?:@([^=@-]*)-([^=@-]*))?$/;
/** With larger factors, batches of the largest models would take hours. */
const LARGEST_FACTOR = 1_000;

export interface SlowdownScope {
  /** Devices of the plan. */
  readonly devices: readonly string[];
  /** Length of the run. */
  readonly seconds: number;
}

/**
 * Parses `--slowdown`, such as `2`, `cpu1=1.5` or `cpu1=2@10-20`. FROM and TO are seconds of the run; defaults are its start and end.
 * @throws ConfigError
 */
export function parseSlowdown(text: string, { devices, seconds }: SlowdownScope): Slowdown {
  const refuse = (why: string): never => {
    throw new ConfigError(`--slowdown ${text}: ${why}`);
  };
  const parts = FORM.exec(text) ?? refuse('write [DEVICE=]FACTOR[@FROM-TO], such as 2, cpu0=1.5 or cpu0=2@10-20');
  const [device, factorText, fromText = '', toText = ''] = parts.slice(1) as (string | undefined)[];
  if (device !== undefined && !devices.includes(device))
    refuse(`the plan has no device ${device}; its devices are ${devices.join(', ')}`);
  const factor = numberOf(factorText ?? '');
  if (!(factor >= 1 / LARGEST_FACTOR && factor <= LARGEST_FACTOR))
    refuse(
      `the factor ${factorText} is not a number from ${1 / LARGEST_FACTOR} to ${LARGEST_FACTOR}; 2 makes batches take twice as long as profiled`,
    );
  const secondOf = (name: string, second: string, otherwise: number): number => {
    const value = second === '' ? otherwise : numberOf(second);
    return value >= 0 ? value : refuse(`${name} ${second} is not a time in seconds from the start of the run, 0 or more`);
  };
  const from = secondOf('FROM', fromText, 0);
  const to = secondOf('TO', toText, Number.POSITIVE_INFINITY);
  if (from >= to) refuse(`it ends at ${to} s but starts at ${from} s; TO must be after FROM`);
  if (from >= seconds) refuse(`it starts at ${from} s, but the run is ${seconds} s long; FROM must be within it`);
  return { device, factor, fromMs: 1_000 * from, toMs: 1_000 * to };
}

/** NaN unless it is a decimal number. */
function numberOf(text: string): number {
  return /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
}
