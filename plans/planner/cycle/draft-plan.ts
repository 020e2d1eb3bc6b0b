import type { Cascade } from '../../domain/cascade/cascade.ts';
import type { PlanMetric, PlannerMargins } from '../plan-request.ts';

/** A cascade on the Pareto frontier of accuracy and throughput. */
export interface FrontierCascade extends Cascade {
  /** Device time per request, averaged over the devices: the reciprocal of throughput. */
  readonly workMs: number;
}

/** How the work of a cascade is spread over the placed replicas (SP3). */
export interface Balance {
  /** [model * devices + device] */
  readonly shares: Float64Array;
  /** Per device: device time for each request that enters the cascade; its largest entry times QPS is the utilisation. */
  readonly deviceMs: Float64Array;
  readonly maxDeviceMs: number;
}

/** Minimum queue lengths of a gear and its simulated latency (SP4). */
export interface Tuning {
  /** [model * devices + device] */
  readonly minQueueLength: Int32Array;
  readonly maxWaitMs: number;
  /** At the top load of the range. */
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly p99: number };
}

/** One QPS range and what has been decided for it so far. */
export interface DraftRange {
  readonly fromQps: number;
  readonly toQps: number;
  readonly weight: number;
  readonly cascade: FrontierCascade | undefined;
  /** Cascades with this much work or more have failed here. */
  readonly leastFailedWorkMs: number;
  /** How often the range was stepped down before the first feasible plan. */
  readonly stepsDown: number;
  readonly balance: Balance | undefined;
  readonly tuning: Tuning | undefined;
}

/** A plan in progress: plain values, of which each submodule returns a changed copy. */
export interface DraftPlan {
  /** Ascending in work and in accuracy. */
  readonly frontier: readonly FrontierCascade[];
  /** Placement for which the frontier was measured. */
  readonly frontierPlacement: string;
  readonly ranges: readonly DraftRange[];
  /** [model * devices + device]: 1 where a replica is placed. */
  readonly placed: Uint8Array;
  /** True if the placement is fixed: SP3 balances load on it but does not change it. */
  readonly pinned: boolean;
  /** Per model: replicas forced by SP4's errors. */
  readonly forcedReplicas: readonly number[];
  /** Models that do not fit into memory with the others. */
  readonly excludedModels: readonly number[];
  /** Best feasible plan so far; no later one may be worse. */
  readonly incumbent: DraftPlan | undefined;
  /** True after several concurrent changes broke a range that none of them touched: from then on, one range changes at a time. */
  readonly cautious: boolean;
  /** Under an accuracy SLO: the required sum of the ranges' weighted accuracies; otherwise 0. */
  readonly accuracyTarget: number;
  /** Assignments already tried (accuracy SLO). */
  readonly tried: readonly string[];
}

/** A plan for the loss of one of several like devices. */
export interface ContingencyDraft {
  /** Device numbers; the draft leaves out the first. */
  readonly devices: readonly number[];
  readonly draft: DraftPlan;
}

/** Why a later submodule cannot continue with the choice of an earlier one (CascadeServe §4.1). */
export interface PlanError {
  readonly type: 'error';
  /** Index of the QPS range. */
  readonly range: number;
  /** Other ranges that fail for the same reason, independently of this one: all are repaired at once. */
  readonly others: readonly number[];
  /** First bottleneck model, by number. */
  readonly model: number;
  readonly metric: PlanMetric;
  readonly value: number;
  readonly limit: number;
  readonly reason: string;
}

export type Incoming = { readonly type: 'ok' } | PlanError;

export const OK: Incoming = { type: 'ok' };

/** Equal keys mean equal placements. */
export function placementKey(placed: Uint8Array): string {
  return placed.join('');
}

export function withRange(draft: DraftPlan, index: number, change: Partial<DraftRange>): DraftPlan {
  return { ...draft, ranges: draft.ranges.map((range, i) => (i === index ? { ...range, ...change } : range)) };
}

/** Highest load at which a range must hold its SLO: its top, with the margin on utilisation. */
export function plannedQps(range: DraftRange, { margins }: { readonly margins: PlannerMargins }): number {
  return range.toQps / margins.utilisation;
}
