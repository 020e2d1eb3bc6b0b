import { ACCURACY_ROUNDING, reachesAccuracy } from '../accuracy-rounding.ts';
import {
  type DraftPlan,
  type FrontierCascade,
  type Incoming,
  OK,
  type PlanError,
  placementKey,
  withRange,
} from '../cycle/draft-plan.ts';
import type { LatencySurface, PlanningContext } from '../cycle/planning-context.ts';
import type { Step } from '../cycle/submodule.ts';
import { honestAccuracy, placeableModels } from '../sp1/frontiers.ts';
import { withoutModel } from '../sp3/without-model.ts';
import { tuningKey } from '../sp4/tuning-key.ts';
import { latencyScore } from './latency-score.ts';
import { latencySurface } from './latency-surface.ts';
import { assignMonotone } from './monotone-assignment.ts';

/** Rounds in which measured latencies replace estimates, once a plan is feasible. */
const MAX_ROUNDS = 8;
/** A measured latency shifts the estimates of its cascade in the other ranges by at most this factor. */
const MAX_SHIFT = 2;

/**
 * Under an accuracy SLO, the cascades of all ranges together must reach the expected accuracy, as fast as possible, and a range with
 * a higher load must not get a more accurate cascade. Latencies are estimated by short simulations until SP4 has measured them. The
 * best-looking assignment is tried until it has already been tried.
 */
export async function assignForAccuracy(
  incoming: Incoming,
  draft: DraftPlan,
  context: PlanningContext,
  target: number,
): Promise<Step> {
  const current = incoming.type === 'error' ? withFailure(incoming, draft, context) : draft;
  const { incumbent } = draft;
  if (placeableModels(current.excludedModels, context).length === 0 && incoming.type === 'error') return [incoming, draft];
  const surface = await latencySurface(current, context);
  const { cascades, scoreMs } = corrected(surface, current, context);
  const weights = current.ranges.map((range) => range.weight);
  const honest = honestAccuracy(context);
  const found = assignMonotone({ weights, accuracy: cascades.map((c) => honest.of(c)), scoreMs }, target);
  if (found === undefined || found.type === 'short') {
    if (incumbent !== undefined) return [OK, revertTo(incumbent, current)];
    if (found === undefined && incoming.type === 'error') return [incoming, draft];
    return [shortOfAccuracy(found?.reached ?? 0, target, incoming, current, context), draft];
  }
  const key = found.cascades.map((c) => cascades[c].key).join(';');
  if (incumbent !== undefined && (current.tried.includes(key) || current.tried.length >= MAX_ROUNDS))
    return [OK, revertTo(incumbent, current)];
  const ranges = current.ranges.map((range, i) => ({ ...range, cascade: cascades[found.cascades[i]] }));
  return [OK, { ...current, ranges, tried: [...current.tried, key] }];
}

/** Records a failure so that it is not proposed again: a model that does not fit, or in a range, cascades with as much work. */
function withFailure(error: PlanError, draft: DraftPlan, context: PlanningContext): DraftPlan {
  if (error.metric === 'memoryBytes') return withoutModel(error.model, draft, context);
  let current = draft;
  for (const failed of [error.range, ...error.others]) {
    const range = draft.ranges[failed];
    const leastFailedWorkMs = Math.min(range.leastFailedWorkMs, range.cascade?.workMs ?? Number.POSITIVE_INFINITY);
    current = withRange(current, failed, { leastFailedWorkMs });
  }
  return current;
}

function revertTo(incumbent: DraftPlan, draft: DraftPlan): DraftPlan {
  const ranges = incumbent.ranges.map((range, i) => ({ ...range, leastFailedWorkMs: draft.ranges[i].leastFailedWorkMs }));
  return { ...draft, ranges, placed: incumbent.placed, forcedReplicas: incumbent.forcedReplicas };
}

/** Updates the surface: replaces estimates by measured latencies and rules out cascades that have failed. */
function corrected(surface: LatencySurface, draft: DraftPlan, context: PlanningContext): LatencySurface {
  const placement = placementKey(draft.placed);
  const usable = surface.cascades.flatMap((cascade, c) =>
    cascade.models.some((model) => draft.excludedModels.includes(model)) ? [] : [c],
  );
  const scoreMs = usable.map((c) => {
    const cascade = surface.cascades[c];
    const estimates = surface.scoreMs[c];
    const measured = draft.ranges.map((range) => context.tunings.get(tuningKey(range.toQps, cascade, placement)));
    const shift = shiftOf(measured, estimates);
    return Float64Array.from(draft.ranges, (range, r) => {
      const tuning = measured[r];
      if (tuning === null || cascade.workMs >= range.leastFailedWorkMs) return Number.POSITIVE_INFINITY;
      return tuning === undefined ? estimates[r] * shift : latencyScore(tuning.latencyMs);
    });
  });
  return { cascades: usable.map((c) => surface.cascades[c]), scoreMs };
}

type Measured = ReturnType<PlanningContext['tunings']['get']>;

/** Mean ratio of measured to estimated latencies of a cascade. */
function shiftOf(measured: readonly Measured[], estimates: Float64Array): number {
  const ratios = measured.flatMap((tuning, r) =>
    tuning == null || !Number.isFinite(estimates[r]) ? [] : [latencyScore(tuning.latencyMs) / estimates[r]],
  );
  if (ratios.length === 0) return 1;
  const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
  return Math.min(MAX_SHIFT, Math.max(1 / MAX_SHIFT, mean));
}

function shortOfAccuracy(
  reached: number,
  target: number,
  incoming: Incoming,
  draft: DraftPlan,
  context: PlanningContext,
): PlanError {
  const blamed = incoming.type === 'error' ? incoming : undefined;
  const mostAccurate = draft.frontier.reduce<FrontierCascade | undefined>(
    (best, cascade) => (best !== undefined && best.accuracy >= cascade.accuracy ? best : cascade),
    undefined,
  );
  const model = blamed?.model ?? mostAccurate?.models.at(-1) ?? 0;
  const name = context.request.profile.models[model].name;
  const family = mostAccurate === undefined || !reachesAccuracy(honestAccuracy(context).of(mostAccurate), target);
  const cause = family
    ? `the most accurate cascade ends in ${name}`
    : `the devices cannot carry cascades that are more accurate${blamed === undefined ? '' : `: ${blamed.reason}`}`;
  return {
    type: 'error',
    range: blamed?.range ?? draft.ranges.length - 1,
    others: [],
    model,
    metric: 'accuracy',
    value: reached,
    limit: target,
    reason: `the best expected accuracy is ${reachable(reached)}, the target ${target}: ${cause}`,
  };
}

/** Four digits, rounded down: below the target, and a target of this is reached. */
function reachable(accuracy: number): string {
  return (Math.floor((accuracy + ACCURACY_ROUNDING) * 1e4) / 1e4).toFixed(4);
}
