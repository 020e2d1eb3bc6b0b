import type { FaultType } from './fault-plan.ts';

/** What a run came to. */
export interface RunReport {
  readonly seed: number;
  /** What did not hold; the run ends at the first. */
  readonly violations: readonly string[];
  /** Of everything that happened. */
  readonly hash: string;
  readonly steps: number;
  readonly faults: Readonly<Partial<Record<FaultType, number>>>;
  readonly requests: number;
  /** By `ok` or error code. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Of the client library: attempts beyond the first, answers that came again, answers to requests given up. */
  readonly retries: number;
  readonly duplicates: number;
  readonly late: number;
  readonly messagesLost: number;
  readonly messagesDuplicated: number;
  /** Processes that ended, by how. */
  readonly ended: Readonly<Record<string, number>>;
  readonly plansAccepted: number;
  readonly plansRejected: number;
  /** Most answers to one request on the wire. */
  readonly mostAnswers: number;
}
