import type { CompiledPlan } from '../../policy/compiled-plan.ts';

/** From some time on: who is asked, and where the replicas are that are ready. */
export interface EnsembleStep {
  readonly fromMs: number;
  /** Of `plan`: its shares are those of the ready replicas. */
  readonly gear: number;
  /** Models that each request is sent to, cheapest first; their weighted majority is the answer. */
  readonly members: readonly number[];
}

/** What an autoscaler does over a load: steps ascend in time, the first from 0. */
export interface EnsembleSchedule {
  readonly plan: CompiledPlan;
  readonly steps: readonly EnsembleStep[];
  /** Devices in use, loading included, averaged over time: what an autoscaled system pays for. */
  readonly meanDevices: number;
}
