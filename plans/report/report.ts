import type { GeneratorLag } from './generator-lag.ts';

/** What `load`, `simulate`, `demo` and each strategy of `compare` report; null = does not apply. */
export interface Report {
  readonly offered: number;
  readonly completed: number;
  readonly rejected: number;
  readonly errors: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly seconds: number;
  readonly goodputQps: number;
  /** Fraction of completed requests that were answered correctly; null without labels. */
  readonly accuracy: number | null;
  /** Over all requests offered; one without a result counts as infinitely late. Null when the percentile is such a request. */
  readonly latencyMs: {
    readonly p50: number | null;
    readonly p95: number | null;
    readonly p99: number | null;
    readonly max: number | null;
  };
  /** Share of all requests offered that had a result within the latency SLO; null without one. */
  readonly withinSlo: number | null;
  /** Share of 1-second windows (by intended send time) in which the SLO was met. */
  readonly sloAttainment: number | null;
  readonly gearSwitches: number | null;
  readonly deviceUtilisation: Readonly<Record<string, number>> | null;
  /** Actual minus intended send time; null when nothing is sent in real time, as in simulations. */
  readonly generatorLagMs: GeneratorLag | null;
  /** True when the generator was so late that the figures describe it rather than the deployment. */
  readonly void: boolean;
}
