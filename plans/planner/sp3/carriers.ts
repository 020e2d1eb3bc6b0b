import type { DraftRange, FrontierCascade } from '../cycle/draft-plan.ts';
import { pinnedDraft } from '../cycle/initial-draft.ts';
import type { PlanningContext } from '../cycle/planning-context.ts';
import { usableCascades } from '../sp1/usable-cascades.ts';

/** A cascade and the highest load that a placement carries with it, within the margin on utilisation. */
export interface Carrier {
  readonly cascade: FrontierCascade;
  readonly qps: number;
}

/**
 * The cascades for loads above a range: those of placed models that are at most as accurate as the range's own, reduced to the Pareto
 * frontier of accuracy and load. Descending in accuracy, ascending in load.
 */
export function carriers({ cascade: own }: DraftRange, placed: Uint8Array, context: PlanningContext): Carrier[] {
  if (own === undefined) return [];
  const others = context.request.restrict === 'one-cascade' ? [] : usableCascades(pinnedDraft(placed, context), context);
  const cascades = others.filter(({ key, accuracy }) => key !== own.key && accuracy <= own.accuracy);
  const falling = [...cascades, own].sort((a, b) => b.accuracy - a.accuracy || a.workMs - b.workMs || (a.key < b.key ? -1 : 1));
  const kept: Carrier[] = [];
  for (const cascade of falling) {
    const most = kept.at(-1)?.qps ?? 0;
    // No placement carries more than all devices together; this check avoids most linear programs.
    if (carriedQps(cascade.workMs / context.devices, context) <= most) continue;
    const fullestMs = context.balancer.fullestMs(cascade, placed);
    const qps = fullestMs === undefined ? 0 : carriedQps(fullestMs, context);
    if (qps <= most) continue;
    // Of equally accurate cascades, keep the one that carries the most.
    if (kept.at(-1)?.cascade.accuracy === cascade.accuracy) kept.pop();
    kept.push({ cascade, qps });
  }
  return kept;
}

function carriedQps(msPerRequest: number, { margins }: PlanningContext): number {
  return (margins.utilisation * 1000) / msPerRequest;
}
