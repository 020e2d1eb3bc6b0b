import type { GearPlan } from '../../domain/gear-plan/gear-plan.ts';
import type { PlanRequest, PlanResult } from '../../planner/plan-request.ts';
import type { Trace } from '../../traces/trace.ts';
import type { Capacities } from '../capacities.ts';
import type { EnsembleSchedule } from '../ensembles/ensemble-schedule.ts';

/** Hyper-parameters of a candidate, for display: `{ model: 'cnn', maxWaitMs: 12 }`. */
export type Settings = Readonly<Record<string, string | number>>;

/** A strategy with one choice of its hyper-parameters. */
export type Candidate =
  /** An ordinary gear plan, which can also be served. */
  | { readonly type: 'plan'; readonly settings: Settings; readonly plan: GearPlan; readonly p95Ms: number }
  /** Ensembles on autoscaled devices; simulated only. */
  | { readonly type: 'ensembles'; readonly settings: Settings; readonly schedule: EnsembleSchedule };

/** What a strategy works with. */
export interface StrategyContext {
  /** Family, devices, highest load, distribution of loads, seed. Its SLO is the least strict of `targetsMs`. */
  readonly request: PlanRequest;
  /** The future load. Every strategy may look at it: the comparison is about how well each could do. */
  readonly trace: Trace;
  /** p95 latencies to aim at, ascending. */
  readonly targetsMs: readonly number[];
  /** Accuracies to aim at, ascending. */
  readonly accuracies: readonly number[];
  readonly capacities: Capacities;
  /** Highest load and distribution of loads if latency is promised only up to a share of the highest load. */
  readonly planFor: (shareOfPeak: number) => Pick<PlanRequest, 'qpsMax' | 'weights'>;
  /** Runs our planner on `request` with changes. */
  readonly plan: (change: Partial<PlanRequest>) => Promise<PlanResult>;
}

/**
 * A way to serve a family of models on given devices. Each searches its own hyper-parameters: all its candidates are run under the
 * same load, and it is judged by the best of them.
 */
export type Strategy = (context: StrategyContext) => Promise<readonly Candidate[]>;
