import type { FrontierCascade } from '../cycle/draft-plan.ts';

/** A gear that SP4 tries. */
export interface Candidate {
  readonly cascade: FrontierCascade;
  /** [model * devices + device] */
  readonly shares: Float64Array;
  readonly minQueueLength: Int32Array;
  readonly maxWaitMs: number;
}
