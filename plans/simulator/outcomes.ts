import type { AuditTotals } from './simulated-audits.ts';

/** In `SimulationOutcomes.answeredBy`. */
export const UNANSWERED = -1;
export const REJECTED = -2;
export const EXPIRED = -3;
export const FAILED = -4;

/** Outcome of a run. Arrays per request belong to the simulator and are valid until its next run. */
export interface SimulationOutcomes {
  readonly requests: number;
  readonly completed: number;
  /** Requests that the frontend refused (RESOURCE_EXHAUSTED), and those without an answer by their deadline. */
  readonly rejected: number;
  readonly expired: number;
  /** True when the run stopped early: requests without an answer have latency NaN. */
  readonly gaveUp: boolean;
  /** Per request: time from intended send time to the result at the client; NaN without a result. */
  readonly latencyMs: Float64Array;
  /** Per request: the model that answered; else -1, REJECTED, EXPIRED, or FAILED, when the last model answered NaN. */
  readonly answeredBy: Int8Array;
  /** Per request: validation sample. */
  readonly sample: Int32Array;
  /** Per gear: time in force. */
  readonly gearMs: Float64Array;
  readonly gearSwitches: number;
  /** Per device: time occupied by batches. */
  readonly busyMs: Float64Array;
  /** Per model: answers given. */
  readonly answers: Float64Array;
  /** [model * devices + device] */
  readonly batches: Float64Array;
  readonly batchedRequests: Float64Array;
  /** Set when answers are audited. */
  readonly audits: AuditTotals | undefined;
  /** Requests without an answer when the last one was sent. */
  readonly backlogAtLastArrival: number;
  /** When the last answer left its device, or the run stopped early. */
  readonly endMs: number;
}
