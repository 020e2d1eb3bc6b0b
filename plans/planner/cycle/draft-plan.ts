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

/** Minimum queue lengths of a gear and what a simulation says of it (SP4). */
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
  /** Cascades of this work or more were tried here and failed. */
  readonly leastFailedWorkMs: number;
  /** How often the range was stepped down before the first feasible plan. */
  readonly stepsDown: number;
  readonly balance: Balance | undefined;
  readonly tuning: Tuning | undefined;
}

/** A plan in the making: values only, each submodule returns a changed copy. */
export interface DraftPlan {
  /** Ascending in work and in accuracy. */
  readonly frontier: readonly FrontierCascade[];
  /** Placement for which the frontier was measured. */
  readonly frontierPlacement: string;
  readonly ranges: readonly DraftRange[];
  /** [model * devices + device]: 1 where a replica is placed. */
  readonly placed: Uint8Array;
  /** True where the placement was searched for: SP3 balances load on it and leaves it as it is. */
  readonly pinned: boolean;
  /** Per model: replicas that SP4's errors have forced. */
  readonly forcedReplicas: readonly number[];
  /** Models that memory cannot hold beside the others. */
  readonly excludedModels: readonly number[];
  /** Best feasible plan so far: nothing that follows may be worse. */
  readonly incumbent: DraftPlan | undefined;
  /** True when several changes at once have broken a range that none of them touched: one range at a time from there on. */
  readonly cautious: boolean;
  /** Under an accuracy SLO: what the ranges' weighted accuracies must add up to; else 0. */
  readonly accuracyTarget: number;
  /** Assignments already tried (accuracy SLO). */
  readonly tried: readonly string[];
}

/** A plan for the loss of one device, or of one that is like it. */
export interface ContingencyDraft {
  /** Device numbers; the first is the one that is left out of the draft. */
  readonly devices: readonly number[];
  readonly draft: DraftPlan;
}

/** Why a later submodule cannot go on with what an earlier one chose (CascadeServe §4.1). */
export interface PlanError {
  readonly type: 'error';
  /** Index of the QPS range. */
  readonly range: number;
  /** Other ranges that fail for the same reason whatever becomes of this one: all are repaired at once. */
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

/** Names a placement: equal keys, equal placements. */
export function placementKey(placed: Uint8Array): string {
  return placed.join('');
}

export function withRange(draft: DraftPlan, index: number, change: Partial<DraftRange>): DraftPlan {
  return { ...draft, ranges: draft.ranges.map((range, i) => (i === index ? { ...range, ...change } : range)) };
}

/** Highest load of a range at which a plan must still hold: its top, with the margin on utilisation. */
export function plannedQps(range: DraftRange, { margins }: { readonly margins: PlannerMargins }): number {
  return range.toQps / margins.utilisation;
}
