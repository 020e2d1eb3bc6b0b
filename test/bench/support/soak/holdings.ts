import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Slope, slopeOf } from './slope.ts';

/** The memory that a process held at a time. */
export interface Holding {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly rss: number;
  /** Objects and buffers of the main thread after garbage collection, without compiled code; undefined for processes other than Node. */
  readonly held?: number;
  readonly descriptors: number;
}

export interface ProcessTrend {
  readonly process: string;
  readonly pid: number;
  readonly minutes: number;
  readonly lastRssMiB: number;
  readonly rssMiBPerHour: Slope | undefined;
  readonly heldMiBPerHour: Slope | undefined;
  readonly descriptors: { readonly first: number; readonly last: number; readonly most: number };
}

const MIB = 2 ** 20;
const HOUR_MS = 3_600_000;
/** Excluded from the trend, because compiled code, caches and pools grow once in the first minutes. */
const WARM_UP_SHARE = 0.2;
/** Processes with fewer samples ended too soon to tell a slope. */
const LEAST_SAMPLES = 10;

/** The memory of a process that does not sample itself, as reported by the system. */
export function holdingOf(pid: number): Holding {
  const rss = 1_024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  return { at: Date.now(), rss, descriptors: readdirSync(`/proc/${pid}/fd`).length };
}

/** Trends of the processes that sampled themselves into this folder, longest-lived first. */
export function trendsOf(folder: string): ProcessTrend[] {
  return readdirSync(folder)
    .map((pid) => {
      // The last line may be incomplete if the process was killed.
      const lines = readFileSync(join(folder, pid), 'utf8').split('\n').slice(0, -1);
      const samples = lines.map((line) => JSON.parse(line) as Holding & { readonly args: readonly string[] });
      return { pid: Number(pid), samples };
    })
    .filter(({ samples }) => samples.length >= LEAST_SAMPLES)
    .map(({ pid, samples }) => trendOf(nameOf(samples[0].args), pid, samples))
    .toSorted((a, b) => b.minutes - a.minutes);
}

/** `serve`, or `--role device --device a`. */
function nameOf(args: readonly string[]): string {
  const role = args.indexOf('--role');
  if (role === -1) return 'serve';
  const device = args.indexOf('--device');
  return device === -1 ? args[role + 1] : `device ${args[device + 1]}`;
}

export function trendOf(process: string, pid: number, samples: readonly Holding[]): ProcessTrend {
  const [first, last] = [samples[0], samples[samples.length - 1]];
  const warm = samples.slice(Math.floor(WARM_UP_SHARE * samples.length));
  const perHour = (value: (sample: Holding) => number | undefined): Slope | undefined =>
    slopeOf(
      warm.flatMap((sample) => {
        const bytes = value(sample);
        return bytes === undefined ? [] : [[(sample.at - first.at) / HOUR_MS, bytes / MIB] as const];
      }),
    );
  return {
    process,
    pid,
    minutes: (last.at - first.at) / 60_000,
    lastRssMiB: last.rss / MIB,
    rssMiBPerHour: perHour(({ rss }) => rss),
    heldMiBPerHour: perHour(({ held }) => held),
    descriptors: {
      first: warm[0].descriptors,
      last: last.descriptors,
      most: Math.max(...warm.map(({ descriptors }) => descriptors)),
    },
  };
}
