import { placementKey } from '../cycle/draft-plan.ts';
import type { PlacementResult, PlanningContext } from '../cycle/planning-context.ts';
import { everywhere } from './device-fit.ts';
import { exactPlacement } from './exact-placement.ts';
import { type CascadeLoad, pruneReplicas, worstUtilisation } from './prune-replicas.ts';

/** Utilisation of a device that has just enough time for its load. */
const FULL = 1;

/**
 * SP3's placement: the better of greedy pruning, as in the paper, and, if memory is short, the exact program.
 * @param loads the distinct cascades in force with their highest loads; utilisation is linear in load, so lower ones do not matter.
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
  // If greedy pruning finds no room for all models, another order of pruning may.
  const utilisation = greedy.type === 'placed' ? worstUtilisation(loads, greedy.placed, context) : Number.POSITIVE_INFINITY;
  // If greedy pruning overloads a device, only a placement without overload helps. Proving that there is none is faster than finding
  // the least overloaded one.
  const placed = exactPlacement(models, loads, atLeast, Math.min(FULL, utilisation), context);
  if (placed === undefined) return greedy;
  context.counters.exactPlacements++;
  return worstUtilisation(loads, placed, context) < utilisation ? { type: 'placed', placed } : greedy;
}
