import type { FrontierCascade, Tuning } from '../cycle/draft-plan.ts';

/** One gear to be simulated: plain values, so that it can be sent to a worker thread. */
export interface TuningJob {
  /**
   * `tune`: find minimum queue lengths (SP4). `estimate`: what p95 is about, with queues that trigger at one request (SP2). `carry`:
   * find minimum queue lengths that keep up, whatever the latency (gears beyond the plan).
   */
  readonly type: 'tune' | 'estimate' | 'carry';
  readonly fromQps: number;
  readonly toQps: number;
  readonly cascade: FrontierCascade;
  /** [model * devices + device] */
  readonly shares: Float64Array;
}

export interface TuningAnswer {
  /** Undefined: no queue length does. */
  readonly tuning: Tuning | undefined;
  readonly simulations: number;
}

/** Answers jobs, in the order of the jobs. Answers do not depend on who gives them, or on what else is asked. */
export interface Tuner {
  answer(jobs: readonly TuningJob[]): Promise<readonly TuningAnswer[]>;
  close(): Promise<void>;
}
