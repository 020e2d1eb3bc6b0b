import { percentile } from './percentile.ts';

/** How far a load generator was behind its schedule. */
export interface GeneratorLag {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** A generator on a machine with other work can keep within this. */
const LEAST_LIMIT_MS = 2;
const LIMIT_OF_SLO = 0.01;

/** @param lagMs of each request sent. @returns null if there were none. */
export function generatorLag(lagMs: Float64Array): GeneratorLag | null {
  const sorted = lagMs.slice().sort();
  const [p50, p99, max] = [0.5, 0.99, 1].map((fraction) => percentile(sorted, fraction));
  return p50 === null || p99 === null || max === null ? null : { p50, p99, max };
}

/**
 * Whether a run's latencies describe the generator rather than the deployment.
 * @param p95SloMs the latency SLO, if there is one.
 */
export function isVoid(lag: GeneratorLag | null, p95SloMs: number | undefined): boolean {
  return lag !== null && lag.p99 > Math.max(LEAST_LIMIT_MS, LIMIT_OF_SLO * (p95SloMs ?? 0));
}
