import { placementKey } from '../cycle/draft-plan.ts';
import type { PlacementResult, PlanningContext } from '../cycle/planning-context.ts';
import { everywhere } from './device-fit.ts';
import { exactPlacement } from './exact-placement.ts';
import { type CascadeLoad, pruneReplicas, worstUtilisation } from './prune-replicas.ts';

/** Utilisation of a device that has just enough time for its load. */
const FULL = 1;

/**
 * SP3's choice: greedy pruning as in the paper and, where memory is short, the exact program; the better of both.
 * @param loads the distinct cascades in force with their highest loads: utilisation is linear in load, so no other counts.
 * @param atLeast per model: replicas that must stay.
 */
export function bestPlacement(
  models: readonly number[],
  loads: readonly CascadeLoad[],
  atLeast: readonly number[],
  context: PlanningContext,
): PlacementResult {
  const key = `${models.join(' ')}|${loads.map((l) => `${l.cascade.key}@${l.qps}`).join(';')}|${atLeast.join(' ')}`;
  const known = context.placements.get(key);
  if (known !== undefined) return known;
  const greedy = pruneReplicas(models, loads, atLeast, context);
  const unpruned = greedy.type === 'placed' && placementKey(greedy.placed) === placementKey(everywhere(models, context));
  const result = unpruned ? greedy : better(greedy, models, loads, atLeast, context);
  context.placements.set(key, result);
  return result;
}

function better(
  greedy: PlacementResult,
  models: readonly number[],
  loads: readonly CascadeLoad[],
  atLeast: readonly number[],
  context: PlanningContext,
): PlacementResult {
  // Where greedy pruning ends without room for all models, another order of pruning may find some.
  const utilisation = greedy.type === 'placed' ? worstUtilisation(loads, greedy.placed, context) : Number.POSITIVE_INFINITY;
  // Where greedy pruning overloads a device, only a placement that does not is of use: that there is none is found sooner than
  // which one is the least overloaded.
  const placed = exactPlacement(models, loads, atLeast, Math.min(FULL, utilisation), context);
  if (placed === undefined) return greedy;
  context.counters.exactPlacements++;
  return worstUtilisation(loads, placed, context) < utilisation ? { type: 'placed', placed } : greedy;
}
