import type { FaultType } from './fault-plan.ts';

/** The outcome of a run. */
export interface RunReport {
  readonly seed: number;
  /** Violated invariants; the run ends at the first. */
  readonly violations: readonly string[];
  /** A hash of everything that happened. */
  readonly hash: string;
  readonly steps: number;
  readonly faults: Readonly<Partial<Record<FaultType, number>>>;
  readonly requests: number;
  /** By `ok` or error code. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** From the client library: attempts beyond the first, duplicate answers, and answers to requests given up. */
  readonly retries: number;
  readonly duplicates: number;
  readonly late: number;
  readonly messagesLost: number;
  readonly messagesDuplicated: number;
  /** Processes that ended, by cause. */
  readonly ended: Readonly<Record<string, number>>;
  readonly plansAccepted: number;
  readonly plansRejected: number;
  /** The most answers to one request on the wire. */
  readonly mostAnswers: number;
}
