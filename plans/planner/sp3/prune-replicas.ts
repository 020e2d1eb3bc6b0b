import type { Cascade } from '../../domain/cascade/cascade.ts';
import type { PlacementResult, PlanningContext } from '../cycle/planning-context.ts';
import { everywhere } from './device-fit.ts';

/** The highest load at which a placement must carry a cascade. */
export interface CascadeLoad {
  readonly cascade: Cascade;
  readonly qps: number;
}

/**
 * Prunes greedily from everything everywhere until each device's memory holds its replicas (CascadeServe §4.4). Each step removes the
 * replica with the highest (memory over-allocation relieved) / (worst utilisation over all ranges after its removal), but never one
 * of the last `atLeast` replicas of a model.
 * @param loads the distinct cascades in force with their highest loads; utilisation is linear in load, so lower ones do not matter.
 */
export function pruneReplicas(
  models: readonly number[],
  loads: readonly CascadeLoad[],
  atLeast: readonly number[],
  context: PlanningContext,
): PlacementResult {
  const { profile, devices } = context.request;
  const placed = everywhere(models, context);
  const bytes = (model: number): number => profile.models[model].memoryBytes;
  const used = (d: number): number => models.reduce((sum, model) => sum + placed[model * devices.length + d] * bytes(model), 0);
  const replicas = (model: number): number =>
    placed.subarray(model * devices.length, (model + 1) * devices.length).reduce((sum, p) => sum + p, 0);
  for (;;) {
    const overflow = devices.map((device, d) => used(d) - device.memoryBytes);
    if (overflow.every((over) => over <= 0)) return { type: 'placed', placed };
    let best = -1;
    let bestScore = Number.NEGATIVE_INFINITY;
    const seen = new Set<string>();
    for (let d = 0; d < devices.length; d++) {
      if (overflow[d] <= 0) continue;
      for (const model of models) {
        const replica = model * devices.length + d;
        if (placed[replica] === 0 || replicas(model) <= Math.max(1, atLeast[model])) continue;
        // Like devices that hold the same models are interchangeable, so one represents all.
        const like = `${context.costs.classOf[d]}/${devices[d].memoryBytes}/${models.map((m) => placed[m * devices.length + d])}/${model}`;
        if (seen.has(like)) continue;
        seen.add(like);
        placed[replica] = 0;
        const score = Math.min(bytes(model), overflow[d]) / worstUtilisation(loads, placed, context);
        placed[replica] = 1;
        if (score > bestScore) {
          bestScore = score;
          best = replica;
        }
      }
    }
    if (best === -1) {
      const fullest = overflow.indexOf(Math.max(...overflow));
      const there = models.filter((model) => placed[model * devices.length + fullest] === 1);
      const largest = there.reduce((a, b) => (bytes(b) > bytes(a) ? b : a));
      return { type: 'memory', model: largest, bytes: used(fullest), limit: devices[fullest].memoryBytes };
    }
    placed[best] = 0;
  }
}

export function worstUtilisation(loads: readonly CascadeLoad[], placed: Uint8Array, context: PlanningContext): number {
  let worst = 1e-9;
  for (const { cascade, qps } of loads) {
    const fullestMs = context.balancer.fullestMs(cascade, placed) ?? Number.POSITIVE_INFINITY;
    worst = Math.max(worst, (fullestMs * qps) / 1000);
  }
  return worst;
}
