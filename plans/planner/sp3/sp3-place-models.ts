import { type DraftPlan, type FrontierCascade, OK, type PlanError, plannedQps } from '../cycle/draft-plan.ts';
import type { PlanningContext } from '../cycle/planning-context.ts';
import type { SubModule } from '../cycle/submodule.ts';
import { bestPlacement } from './best-placement.ts';
import { everywhere, fits, memoryHolds } from './device-fit.ts';
import { type CascadeLoad, worstUtilisation } from './prune-replicas.ts';

/**
 * SP3: places replicas and decides each one's share of its model's load, per range (CascadeServe §4.4). An error of SP4 names a model
 * with too few replicas: one more is forced, or the error goes back to SP2.
 */
export const placeModels: SubModule = (incoming, draft, context) => {
  if (incoming.type === 'error') {
    const forced = withOneMoreReplica(incoming, draft, context);
    return forced === undefined ? [incoming, draft] : [OK, withBalances(forced, context)];
  }
  const models = modelsInUse(draft);
  const loads = cascadeLoads(draft, context);
  const relaxed = everywhere(models, context);
  // Loads that are too much for devices that hold everything are too much for any placement.
  const hopeless = overloaded(draft, relaxed, 'each alone', context);
  if (hopeless !== undefined) return [hopeless, draft];
  if (holdsAll(draft.placed, draft, context)) {
    // A placement that still works is kept, so that accepted ranges do not change.
    return [OK, withBalances(draft, context)];
  }
  if (draft.pinned) return [overloaded(draft, draft.placed, 'each alone', context) ?? OK, withBalances(draft, context)];
  const found = bestPlacement(models, loads, draft.forcedReplicas, context);
  if (found.type === 'memory') return [memoryError(found, draft, context), draft];
  const replaced = { ...draft, placed: found.placed };
  const short = overloaded(replaced, found.placed, 'by placement', context);
  return short === undefined ? [OK, withBalances(replaced, context)] : [short, draft];
};

function withBalances(draft: DraftPlan, context: PlanningContext): DraftPlan {
  const ranges = draft.ranges.map((range) => {
    const balance = range.cascade && context.balancer.balance(range.cascade, draft.placed);
    return balance === range.balance ? range : { ...range, balance, tuning: undefined };
  });
  return { ...draft, ranges };
}

function withOneMoreReplica(error: PlanError, draft: DraftPlan, context: PlanningContext): DraftPlan | undefined {
  if (draft.pinned) return undefined;
  const { model } = error;
  const row = draft.placed.subarray(model * context.devices, (model + 1) * context.devices);
  const replicas = row.reduce((sum, p) => sum + p, 0);
  const possible = context.request.devices.filter((_, d) => fits(model, d, context)).length;
  if (replicas >= possible) return undefined;
  const forcedReplicas = draft.forcedReplicas.with(model, replicas + 1);
  const found = bestPlacement(modelsInUse(draft), cascadeLoads(draft, context), forcedReplicas, context);
  if (found.type === 'memory') return undefined;
  const replaced: DraftPlan = { ...draft, placed: found.placed, forcedReplicas };
  return overloaded(replaced, found.placed, 'by placement', context) === undefined ? replaced : undefined;
}

function modelsInUse(draft: DraftPlan): number[] {
  return [...new Set(draft.ranges.flatMap((range) => range.cascade?.models ?? []))].sort((a, b) => a - b);
}

/** Each cascade in use with the highest load that it is planned for. */
function cascadeLoads(draft: DraftPlan, context: PlanningContext): CascadeLoad[] {
  const highest = new Map<string, { cascade: FrontierCascade; qps: number }>();
  for (const range of draft.ranges) {
    if (range.cascade === undefined) continue;
    const qps = Math.max(plannedQps(range, context), highest.get(range.cascade.key)?.qps ?? 0);
    highest.set(range.cascade.key, { cascade: range.cascade, qps });
  }
  return [...highest.values()];
}

function holdsAll(placed: Uint8Array, draft: DraftPlan, context: PlanningContext): boolean {
  return memoryHolds(placed, context) && worstUtilisation(cascadeLoads(draft, context), placed, context) <= 1;
}

/**
 * The range whose load exceeds what the placement carries by the most, if any does.
 * @param cause `each alone`: the placement stands, so every overloaded range has to change; `by placement`: with a lighter
 * cascade in the worst range, the placement may suit the others.
 */
function overloaded(
  draft: DraftPlan,
  placed: Uint8Array,
  cause: 'each alone' | 'by placement',
  context: PlanningContext,
): PlanError | undefined {
  let worst = 1;
  let at = -1;
  const others: number[] = [];
  draft.ranges.forEach((range, i) => {
    const fullestMs = (range.cascade && context.balancer.fullestMs(range.cascade, placed)) ?? Number.POSITIVE_INFINITY;
    const utilisation = (fullestMs * plannedQps(range, context)) / 1000;
    if (utilisation > 1) others.push(i);
    if (utilisation > worst) {
      worst = utilisation;
      at = i;
    }
  });
  const cascade = draft.ranges[at]?.cascade;
  if (cascade === undefined) return undefined;
  const limit = context.margins.utilisation;
  const value = worst * limit;
  const model = bottleneckModel(cascade, placed, context);
  const name = context.request.profile.models[model].name;
  return {
    type: 'error',
    range: at,
    others: cause === 'each alone' ? others.filter((i) => i !== at) : [],
    model,
    metric: 'utilisation',
    value,
    limit,
    reason: `the devices would be ${percent(value)} utilised, mostly by ${name} (a plan may use at most ${percent(limit)})`,
  };
}

/** First model of the cascade on the fullest device (CascadeServe §4.4). */
export function bottleneckModel(cascade: FrontierCascade, placed: Uint8Array, context: PlanningContext): number {
  const balance = context.balancer.balance(cascade, placed);
  if (balance === undefined) return cascade.models[0];
  const fullest = balance.deviceMs.indexOf(balance.maxDeviceMs);
  return cascade.models.find((model) => balance.shares[model * context.devices + fullest] > 0) ?? cascade.models[0];
}

function memoryError(
  found: { model: number; bytes: number; limit: number },
  draft: DraftPlan,
  context: PlanningContext,
): PlanError {
  const { model, bytes, limit } = found;
  const range = draft.ranges.findIndex((r) => r.cascade?.models.includes(model));
  const name = context.request.profile.models[model].name;
  const reason = `the models in use need ${bytes} bytes on a device with ${limit}; the largest is ${name}`;
  return { type: 'error', range, others: [], model, metric: 'memoryBytes', value: bytes, limit, reason };
}

function percent(fraction: number): string {
  return `${Math.round(fraction * 100)} %`;
}
