import type { FrontierCascade, Tuning } from '../cycle/draft-plan.ts';

/** A gear to simulate, as plain values that can be sent to a worker thread. */
export interface TuningJob {
  /**
   * `tune`: find minimum queue lengths (SP4). `estimate`: estimate p95 with queues that trigger at one request (SP2). `carry`: find
   * minimum queue lengths that keep up, whatever the latency (gears beyond the plan).
   */
  readonly type: 'tune' | 'estimate' | 'carry';
  readonly fromQps: number;
  readonly toQps: number;
  readonly cascade: FrontierCascade;
  /** [model * devices + device] */
  readonly shares: Float64Array;
}

export interface TuningAnswer {
  /** Undefined if no queue length will do. */
  readonly tuning: Tuning | undefined;
  readonly simulations: number;
}

/** Runs jobs and returns the results in their order. Results do not depend on the thread or on other jobs. */
export interface Tuner {
  answer(jobs: readonly TuningJob[]): Promise<readonly TuningAnswer[]>;
  close(): Promise<void>;
}
