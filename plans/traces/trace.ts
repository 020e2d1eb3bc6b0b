import { ConfigError } from '../../engine/errors.ts';
import type { Random } from '../../engine/random.ts';

/** Requests per second, one value for each second from 0. */
export interface Trace {
  readonly qps: Float64Array;
}

/** About a month. */
export const MAX_SECONDS = 31 * 86_400;
/** Arrival times and outcomes of all requests are in memory at once. */
export const MAX_REQUESTS = 200_000_000;

/**
 * Parses a trace: CSV with the header `second,qps`, seconds ascending; seconds that are not listed have no requests.
 * @param file what to call the text in messages.
 * @throws ConfigError naming file and line.
 */
export function parseTrace(text: string, file: string): Trace {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  if (lines[0].replaceAll(' ', '') !== 'second,qps')
    throw new ConfigError(`${file}:1: the header is ${JSON.stringify(lines[0].slice(0, 60))}; write second,qps`);
  const seconds: number[] = [];
  const rates: number[] = [];
  for (let i = 1; i < lines.length; i++) {
    if (lines[i].trim() === '') continue;
    const at = `${file}:${i + 1}:`;
    const fields = lines[i].split(',').map((field) => field.trim());
    const [second, qps] = fields.map(Number);
    if (fields.length !== 2 || fields.includes(''))
      throw new ConfigError(
        `${at} ${JSON.stringify(lines[i].slice(0, 60))} is not a second and its requests per second, such as 17,250`,
      );
    if (!Number.isInteger(second) || second < 0 || second >= MAX_SECONDS)
      throw new ConfigError(`${at} second ${fields[0]} is not a whole number from 0 to ${MAX_SECONDS - 1}`);
    if (!Number.isFinite(qps) || qps < 0) throw new ConfigError(`${at} qps ${fields[1]} is not a number that is 0 or more`);
    const before = seconds.at(-1);
    if (before !== undefined && second <= before)
      throw new ConfigError(`${at} second ${second} comes after second ${before}; seconds must ascend`);
    seconds.push(second);
    rates.push(qps);
  }
  if (seconds.length === 0) throw new ConfigError(`${file}: no seconds after the header; write lines such as 0,250`);
  const qps = new Float64Array(seconds[seconds.length - 1] + 1);
  seconds.forEach((second, i) => {
    qps[second] = rates[i];
  });
  return { qps };
}

export function formatTrace(trace: Trace): string {
  return `second,qps\n${Array.from(trace.qps, (qps, second) => `${second},${Number(qps.toPrecision(9))}\n`).join('')}`;
}

/** One line for people. */
export function describeTrace(trace: Trace): string {
  const requests = expectedRequests(trace);
  const empty = trace.qps.reduce((count, qps) => (qps === 0 ? count + 1 : count), 0);
  const figure = (value: number): string => String(Number(value.toPrecision(4)));
  return (
    `${trace.qps.length} seconds, ${Math.round(requests)} requests, ${figure(requests / trace.qps.length)}/s on average, ` +
    `${figure(peakQps(trace))}/s at the peak, ${empty} seconds without requests`
  );
}

/** The same rate for a whole number of seconds. */
export function constantTrace(qps: number, seconds: number): Trace {
  return { qps: new Float64Array(seconds).fill(qps) };
}

/** Mean number of requests that a Poisson process with this rate generates. */
export function expectedRequests(trace: Trace): number {
  return trace.qps.reduce((sum, qps) => sum + qps, 0);
}

export function peakQps(trace: Trace): number {
  return trace.qps.reduce((max, qps) => Math.max(max, qps), 0);
}

/** The same shape with its highest second at `peak` (CascadeServe §6 scales its traces this way). */
export function scaleToPeak(trace: Trace, peak: number): Trace {
  const highest = peakQps(trace);
  return highest === 0 ? trace : { qps: trace.qps.map((qps) => (qps * peak) / highest) };
}

/** The same shape with this many requests per second on average. */
export function scaleToMean(trace: Trace, mean: number): Trace {
  const total = expectedRequests(trace);
  return total === 0 ? trace : { qps: trace.qps.map((qps) => (qps * mean * trace.qps.length) / total) };
}

/** Without the seconds that have no requests (CascadeServe §6 does this with its traces). */
export function dropEmptySeconds(trace: Trace): Trace {
  return { qps: trace.qps.filter((qps) => qps > 0) };
}

/** Seconds [from, to). */
export function cutTrace(trace: Trace, from: number, to: number): Trace {
  return { qps: trace.qps.slice(from, to) };
}

/**
 * The same rates over `seconds` seconds. A longer trace repeats the old seconds; a shorter one averages them, so that a busy second
 * between quiet ones is not lost.
 */
export function stretchTrace(trace: Trace, seconds: number): Trace {
  const factor = trace.qps.length / seconds;
  const rateOf = factor > 1 ? meanRate : rateAtMiddle;
  return { qps: Float64Array.from({ length: seconds }, (_, s) => rateOf(trace, s * factor, (s + 1) * factor)) };
}

function rateAtMiddle({ qps }: Trace, from: number, to: number): number {
  return qps[Math.floor((from + to) / 2)];
}

/** Mean of the seconds [from, to), the first and last counted in part. */
function meanRate({ qps }: Trace, from: number, to: number): number {
  let requests = 0;
  const end = Math.min(to, qps.length);
  for (let second = Math.floor(from); second < end; second++)
    requests += qps[second] * (Math.min(end, second + 1) - Math.max(from, second));
  return requests / (to - from);
}

/**
 * Share of the trace's seconds in each of `ranges` equal QPS ranges from 0 to `qpsMax`; higher loads count toward the last range. Sums
 * to 1: a measured distribution to plan for (CascadeServe §4.3).
 */
export function rangeHistogram(trace: Trace, qpsMax: number, ranges: number): number[] {
  const weights = new Array<number>(ranges).fill(0);
  for (const qps of trace.qps) weights[Math.min(ranges - 1, Math.floor((qps / qpsMax) * ranges))] += 1 / trace.qps.length;
  return weights;
}

/**
 * Arrival times of a Poisson process with the trace's rate, constant within each second. The simulator and the live client share it, so
 * one seed means one workload.
 * @returns milliseconds from the start of the trace, ascending.
 */
export function poissonArrivals(trace: Trace, random: Random): Float64Array {
  let arrivals = new Float64Array(Math.ceil(expectedRequests(trace) * 1.05) + 64);
  let count = 0;
  for (let second = 0; second < trace.qps.length; second++) {
    if (trace.qps[second] <= 0) continue;
    const meanMs = 1000 / trace.qps[second];
    const endMs = (second + 1) * 1000;
    // The process has no memory, so restarting in each second is exact.
    for (let at = second * 1000 + random.exponential(meanMs); at < endMs; at += random.exponential(meanMs)) {
      if (count === arrivals.length) {
        const larger = new Float64Array(arrivals.length * 2);
        larger.set(arrivals);
        arrivals = larger;
      }
      arrivals[count++] = at;
    }
  }
  return arrivals.subarray(0, count);
}
