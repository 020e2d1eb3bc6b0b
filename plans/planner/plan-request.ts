import type { Cascade } from '../domain/cascade/cascade.ts';
import type { GearPlan } from '../domain/gear-plan/gear-plan.ts';
import type { PlanDevice } from '../domain/profile/batch-cost.ts';
import type { Profile } from '../domain/profile/profile.ts';
import type { ReportSlo } from '../report/report-builder.ts';

/** All that a gear plan is made from (CascadeServe §3). */
export interface PlanRequest {
  readonly deployment: string;
  readonly profile: Profile;
  readonly devices: readonly PlanDevice[];
  /** Per model, in family order: largest batch that the deployment allows; undefined = what was profiled. */
  readonly maxBatch: readonly (number | undefined)[];
  readonly slo: ReportSlo;
  readonly qpsMax: number;
  /** Probability of each of the equal QPS ranges from 0 to `qpsMax`; one entry per range. */
  readonly weights: readonly number[];
  readonly seed: number | string;
  readonly margins?: PlannerMargins;
  /**
   * Plans as others make them, for comparisons: `single-models` switches between models without cascading (as Model-Switching
   * does), `one-cascade` cascades without switching (CascadeServe Fig. 12).
   */
  readonly restrict?: 'single-models' | 'one-cascade';
  /** Only these cascades, models by number in family order, instead of a search among all. */
  readonly cascades?: readonly Pick<Cascade, 'models' | 'thresholds'>[];
  /** Plan for the loss of each single device as well. By default where there are two devices or more and it is quick. */
  readonly contingencies?: boolean;
}

export interface PlannerMargins {
  /** Highest planned utilisation: each range must hold its SLO at its top load divided by this. */
  readonly utilisation: number;
  /** Highest simulated p95, as a fraction of the latency SLO. */
  readonly latency: number;
}

/**
 * Room that plans leave for what a simulation does not see: bursts within a second, the 100 ms in which a too small gear is
 * still in force, runtimes that vary. The paper's simulator is off by some percent to a few tens of percent (Fig. 13).
 */
export const DEFAULT_MARGINS: PlannerMargins = { utilisation: 0.85, latency: 0.9 };

/** No plan meets the SLO: where it fails, and how far one gets. */
export interface Infeasible {
  readonly type: 'infeasible';
  /** Range of loads that cannot be served. */
  readonly qpsRange: readonly [from: number, to: number];
  /** The model that is in the way. */
  readonly model: string;
  /** For people: what is not possible, and what would help. */
  readonly reason: string;
  /** Best value that was reached of what is limited, and the limit. Null: none, as requests pile up without end. */
  readonly best: { readonly metric: PlanMetric; readonly value: number | null; readonly limit: number };
  /** How many devices, with the kinds of the request repeated in order, would do; null: no number up to `tried`. */
  readonly fewestDevices?: { readonly count: number | null; readonly tried: number };
}

/** `utilisation` is that of the fullest device, `memoryBytes` what the fullest device would have to hold. */
export type PlanMetric = 'latencyMsP95' | 'utilisation' | 'memoryBytes' | 'accuracy';

export type PlanResult = { readonly type: 'plan'; readonly plan: GearPlan } | Infeasible;
