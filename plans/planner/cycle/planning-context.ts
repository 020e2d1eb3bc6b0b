import { type ValidationRecords, validationRecords } from '../../domain/cascade/cascade.ts';
import type { PlanRequest } from '../plan-request.ts';
import { LinearSolver } from '../sp3/linear-solver.ts';
import { LoadBalancer } from '../sp3/load-balancer.ts';
import type { TuningContext } from '../sp4/tuning-context.ts';
import type { Tuner } from '../sp4/tuning-job.ts';
import type { FrontierCascade, Tuning } from './draft-plan.ts';

/** What all submodules share: the request, lookups derived from it, caches of pure results, and counters. */
export interface PlanningContext extends TuningContext {
  readonly records: ValidationRecords;
  readonly solver: LinearSolver;
  readonly balancer: LoadBalancer;
  readonly tuner: Tuner;
  /** SP4's results by range, cascade and placement; null if infeasible. */
  readonly tunings: Map<string, Tuning | null>;
  /** SP3's results by models, loads and forced replicas. */
  readonly placements: Map<string, PlacementResult>;
  /** SP1's frontier with every model on every device; empty until searched. */
  searched: readonly FrontierCascade[];
  /** The only cascade to consider, if set (`bestSingleCascade`). */
  only: FrontierCascade | undefined;
  /** Estimated latencies by placement and ranges, see `latencySurface`. */
  readonly surfaces: Map<string, LatencySurface>;
  /** True if any feasible plan will do. */
  readonly firstFeasible: boolean;
  readonly counters: { cascades: number; cycles: number; errors: number; exactPlacements: number };
  readonly progress: (message: string) => void;
}

/** Estimated latencies of cascades over the ranges of load, on one placement. */
export interface LatencySurface {
  /** Ascending in accuracy. */
  readonly cascades: readonly FrontierCascade[];
  /** [cascade][range]: latency score; Infinity where requests pile up. */
  readonly scoreMs: readonly Float64Array[];
}

export type PlacementResult =
  | { readonly type: 'placed'; readonly placed: Uint8Array }
  | { readonly type: 'memory'; readonly model: number; readonly bytes: number; readonly limit: number };

/** Call `solver.dispose()` when done: the linear program solver holds memory outside the heap. */
export async function planningContext(
  tuning: TuningContext,
  tuner: Tuner,
  progress: (message: string) => void,
): Promise<PlanningContext> {
  const solver = await LinearSolver.create();
  return {
    ...tuning,
    records: recordsOf(tuning.request),
    solver,
    balancer: new LoadBalancer(tuning.costs, solver),
    tuner,
    tunings: new Map(),
    placements: new Map(),
    searched: [],
    only: undefined,
    surfaces: new Map(),
    firstFeasible: false,
    counters: { cascades: 0, cycles: 0, errors: 0, exactPlacements: 0 },
    progress,
  };
}

function recordsOf({ profile }: PlanRequest): ValidationRecords {
  return validationRecords(profile);
}
