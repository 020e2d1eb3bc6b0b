import type { Cascade } from '../domain/cascade/cascade.ts';
import type { GearPlan } from '../domain/gear-plan/gear-plan.ts';
import type { PlanDevice } from '../domain/profile/batch-cost.ts';
import type { Profile } from '../domain/profile/profile.ts';
import type { ReportSlo } from '../report/report-builder.ts';

/** Everything that a gear plan is made from (CascadeServe §3). */
export interface PlanRequest {
  readonly deployment: string;
  readonly profile: Profile;
  readonly devices: readonly PlanDevice[];
  /** Per model, in family order: largest batch that the deployment allows; undefined: the largest that was profiled. */
  readonly maxBatch: readonly (number | undefined)[];
  readonly slo: ReportSlo;
  readonly qpsMax: number;
  /** Probability of each of the equal QPS ranges from 0 to `qpsMax`; one entry per range. */
  readonly weights: readonly number[];
  /** Mean of the load in requests/s, if it is known better than by the middles of the ranges. */
  readonly meanQps?: number | undefined;
  readonly seed: number | string;
  readonly margins?: PlannerMargins;
  /**
   * Restricted plans for comparisons: `single-models` switches between models without cascading (like Model-Switching),
   * `one-cascade` cascades without switching (CascadeServe Fig. 12).
   */
  readonly restrict?: 'single-models' | 'one-cascade';
  /** Use only these cascades instead of searching all; models by index in family order. */
  readonly cascades?: readonly Pick<Cascade, 'models' | 'thresholds'>[];
  /** Also plan for the loss of each single device. Default: if there are at least two devices and it is quick. */
  readonly contingencies?: boolean;
}

export interface PlannerMargins {
  /** Highest planned utilisation: each range must hold its SLO at its top load divided by this. */
  readonly utilisation: number;
  /** Highest simulated p95, as a fraction of the latency SLO. */
  readonly latency: number;
}

/**
 * Margins for what a simulation misses: bursts within a second, the 100 ms during which the gear of a lower load is still in force,
 * varying runtimes. The paper's simulator is off by some percent to a few tens of percent (Fig. 13).
 */
export const DEFAULT_MARGINS: PlannerMargins = { utilisation: 0.85, latency: 0.9 };

/** No plan meets the SLO: where planning fails, and how close it gets. */
export interface Infeasible {
  readonly type: 'infeasible';
  /** Range of loads that cannot be served. */
  readonly qpsRange: readonly [from: number, to: number];
  /** The bottleneck model. */
  readonly model: string;
  /** What is not possible, and what would help, in words. */
  readonly reason: string;
  /** Best value reached of the limited metric, and the limit. Null: none, because requests pile up without end. */
  readonly best: { readonly metric: PlanMetric; readonly value: number | null; readonly limit: number };
  /** The fewest devices that would do, repeating the kinds of the request in order; null: no number up to `tried`. */
  readonly fewestDevices?: { readonly count: number | null; readonly tried: number };
}

/** `utilisation` and `memoryBytes` are those of the fullest device. */
export type PlanMetric = 'latencyMsP95' | 'utilisation' | 'memoryBytes' | 'accuracy';

export type PlanResult = { readonly type: 'plan'; readonly plan: GearPlan } | Infeasible;
