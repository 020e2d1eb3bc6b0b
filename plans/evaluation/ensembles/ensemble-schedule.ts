import type { CompiledPlan } from '../../policy/compiled-plan.ts';

/** A change in time: which models are asked from then on, and which replicas are ready. */
export interface EnsembleStep {
  readonly fromMs: number;
  /** Index of a gear of `plan`, whose shares are those of the ready replicas. */
  readonly gear: number;
  /** Models that each request goes to, cheapest first; their weighted majority is the answer. */
  readonly members: readonly number[];
}

/** What an autoscaler does over a load: steps in order of time, the first at 0. */
export interface EnsembleSchedule {
  readonly plan: CompiledPlan;
  readonly steps: readonly EnsembleStep[];
  /** Devices in use, including while loading, averaged over time: what an autoscaled system pays for. */
  readonly meanDevices: number;
}
