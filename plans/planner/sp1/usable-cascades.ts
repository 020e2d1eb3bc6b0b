import { type DraftPlan, type DraftRange, type FrontierCascade, plannedQps } from '../cycle/draft-plan.ts';
import type { PlanningContext } from '../cycle/planning-context.ts';
import { frontiersWithout } from './frontiers.ts';

/** Cascades whose models are all placed, on and off the frontier of accuracy and work, ascending in accuracy. */
export function usableCascades(draft: DraftPlan, context: PlanningContext): FrontierCascade[] {
  const { alternatives, undominated } = frontiersWithout(draft.excludedModels, context);
  const all = new Map([undominated, ...alternatives, draft.frontier].flat().map((cascade) => [cascade.key, cascade]));
  const { devices } = context;
  const isPlaced = (model: number): boolean => draft.placed.subarray(model * devices, (model + 1) * devices).includes(1);
  return [...all.values()]
    .filter(({ models }) => models.every(isPlaced))
    .sort((a, b) => a.accuracy - b.accuracy || a.workMs - b.workMs || (a.key < b.key ? -1 : 1));
}

/** Whether all devices together have enough time for a cascade: a cheap, necessary condition under any placement. */
export function mayCarry(cascade: FrontierCascade, range: DraftRange, context: PlanningContext): boolean {
  return (cascade.workMs * plannedQps(range, context)) / (1000 * context.devices) <= 1 + 1e-9;
}

/** Whether the fullest device has enough time for a cascade, by linear program. */
export function canCarry(cascade: FrontierCascade, range: DraftRange, draft: DraftPlan, context: PlanningContext): boolean {
  const fullestMs = context.balancer.fullestMs(cascade, draft.placed) ?? Number.POSITIVE_INFINITY;
  return (fullestMs * plannedQps(range, context)) / 1000 <= 1;
}
