import { percentile } from './percentile.ts';

/** How late a load generator sent its requests, against their schedule. */
export interface GeneratorLag {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** What a generator on a machine with other work can keep. */
const LEAST_LIMIT_MS = 2;
const LIMIT_OF_SLO = 0.01;

/** @param lagMs of each request that was sent. @returns null when there was none. */
export function generatorLag(lagMs: Float64Array): GeneratorLag | null {
  const sorted = lagMs.slice().sort();
  const [p50, p99, max] = [0.5, 0.99, 1].map((fraction) => percentile(sorted, fraction));
  return p50 === null || p99 === null || max === null ? null : { p50, p99, max };
}

/**
 * Whether the latencies of a run say more of the generator than of what it measured.
 * @param p95SloMs the latency SLO, where there is one.
 */
export function isVoid(lag: GeneratorLag | null, p95SloMs: number | undefined): boolean {
  return lag !== null && lag.p99 > Math.max(LEAST_LIMIT_MS, LIMIT_OF_SLO * (p95SloMs ?? 0));
}
