import type { GearPlan } from '../../domain/gear-plan/gear-plan.ts';
import type { PlanRequest, PlanResult } from '../../planner/plan-request.ts';
import type { Trace } from '../../traces/trace.ts';
import type { Capacities } from '../capacities.ts';
import type { EnsembleSchedule } from '../ensembles/ensemble-schedule.ts';

/** Hyper-parameters of a candidate, as they are shown: `{ model: 'cnn', maxWaitMs: 12 }`. */
export type Settings = Readonly<Record<string, string | number>>;

/** One way to run a strategy: what it makes of one choice of its hyper-parameters. */
export type Candidate =
  /** An ordinary gear plan, which the serving plane runs as well. */
  | { readonly type: 'plan'; readonly settings: Settings; readonly plan: GearPlan; readonly p95Ms: number }
  /** Ensembles on devices that come and go; simulated only. */
  | { readonly type: 'ensembles'; readonly settings: Settings; readonly schedule: EnsembleSchedule };

/** What a strategy has to work with. */
export interface StrategyContext {
  /** Family, devices, highest load, distribution of loads, seed. Its SLO is the least strict of `targetsMs`. */
  readonly request: PlanRequest;
  /** The load to come. Every strategy may look at it: what is compared is how well each could do. */
  readonly trace: Trace;
  /** p95 latencies to aim at, ascending. */
  readonly targetsMs: readonly number[];
  /** Accuracies to aim at, ascending. */
  readonly accuracies: readonly number[];
  readonly capacities: Capacities;
  /** Highest load and distribution of loads, when latency is promised up to a share of the highest load only. */
  readonly planFor: (shareOfPeak: number) => Pick<PlanRequest, 'qpsMax' | 'weights'>;
  /** Our planner, asked otherwise than `request` says. */
  readonly plan: (change: Partial<PlanRequest>) => Promise<PlanResult>;
}

/**
 * A way to serve a family of models on given devices. Each searches its own hyper-parameters: all its candidates are run on the
 * same load, and the best of them are what it is judged by.
 */
export type Strategy = (context: StrategyContext) => Promise<readonly Candidate[]>;
