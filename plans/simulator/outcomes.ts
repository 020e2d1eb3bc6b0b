import type { AuditTotals } from './simulated-audits.ts';

/** In `SimulationOutcomes.answeredBy`. */
export const UNANSWERED = -1;
export const REJECTED = -2;
export const EXPIRED = -3;
export const FAILED = -4;

/** What happened. Arrays per request belong to the simulator and are valid until its next run. */
export interface SimulationOutcomes {
  readonly requests: number;
  readonly completed: number;
  /** Requests that the frontend refused (RESOURCE_EXHAUSTED), and those that ended by their deadline without an answer. */
  readonly rejected: number;
  readonly expired: number;
  /** True when the run was given up: requests without an answer have latency NaN. */
  readonly gaveUp: boolean;
  /** Per request, from intended send time to the result at the client; NaN without one. */
  readonly latencyMs: Float64Array;
  /** Per request: the model whose answer it got; without one -1, REJECTED, EXPIRED, or FAILED: the last model gave no number. */
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
  /** Where answers are audited. */
  readonly audits: AuditTotals | undefined;
  /** Requests without an answer when the last one was sent. */
  readonly backlogAtLastArrival: number;
  /** When the last answer left its device, or the run was given up. */
  readonly endMs: number;
}
