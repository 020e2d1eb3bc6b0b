import type { FrontierCascade } from '../cycle/draft-plan.ts';

/** One gear as SP4 tries it. */
export interface Candidate {
  readonly cascade: FrontierCascade;
  /** [model * devices + device] */
  readonly shares: Float64Array;
  readonly minQueueLength: Int32Array;
  readonly maxWaitMs: number;
}
