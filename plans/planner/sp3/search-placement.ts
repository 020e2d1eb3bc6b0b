import { type DraftPlan, type FrontierCascade, placementKey, plannedQps } from '../cycle/draft-plan.ts';
import type { PlanningContext } from '../cycle/planning-context.ts';
import { evenly } from '../evenly.ts';
import { frontiersWithout } from '../sp1/frontiers.ts';
import { everywhere, memoryHolds } from './device-fit.ts';
import { fullSets } from './device-sets.ts';

/** Cascades for judging placements, evenly spaced on the frontier, in addition to some of each set of models. */
const JUDGES = 24;
const MAX_ROUNDS = 16;
/** Placements that Algorithm 1 runs on: several, because they are judged without latency and the top one may not give the best plan. */
const KEPT = 3;

/**
 * Finds placements worth planning with if memory cannot hold everything everywhere; none if it can. Local search: replaces the models
 * of one device by another set that fits, as long as this improves the accuracy (under an accuracy SLO, the work) that load balancing
 * alone would allow. Like devices that hold the same models are tried once.
 * @param headroom fraction of the load that device time would allow and latency leaves.
 */
export function promisingPlacements(draft: DraftPlan, headroom: number, context: PlanningContext): Uint8Array[] {
  const all = Array.from({ length: context.models }, (_, m) => m);
  if (context.searched.length === 0 || memoryHolds(everywhere(all, context), context)) return [];
  const judges = judgesOf(context);
  const found = new Map<string, { placed: Uint8Array; value: number }>();
  const judged = (placed: Uint8Array): number => {
    const key = canonicalKey(placed, context);
    const known = found.get(key);
    if (known !== undefined) return known.value;
    const value = judge(placed, judges, headroom, draft, context);
    found.set(key, { placed: placed.slice(), value });
    return value;
  };
  for (const start of starts(draft, context)) {
    let current = start;
    let value = judged(current);
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const best = neighbours(current, context).reduce<{ placed: Uint8Array; value: number } | undefined>((top, placed) => {
        const own = judged(placed);
        return own > (top?.value ?? value + 1e-9) ? { placed, value: own } : top;
      }, undefined);
      if (best === undefined) break;
      current = best.placed;
      value = best.value;
    }
  }
  const own = canonicalKey(draft.placed, context);
  return [...found]
    .filter(([key, { placed }]) => placed.includes(1) && (key !== own || draft.incumbent === undefined))
    .map(([, entry]) => entry)
    .sort((a, b) => b.value - a.value)
    .slice(0, KEPT)
    .map((entry) => entry.placed);
}

/** The placement of the first plan, as far as it fits into memory, and each of the cheapest models alone everywhere. */
function starts(draft: DraftPlan, context: PlanningContext): Uint8Array[] {
  const cheapest = everywhere([0], context);
  return memoryHolds(draft.placed, context) ? [draft.placed, cheapest] : [cheapest];
}

function neighbours(placed: Uint8Array, context: PlanningContext): Uint8Array[] {
  const seen = new Set<string>();
  const all = context.request.profile.models.map((_, m) => m);
  return context.request.devices.flatMap((_, d) => {
    const like = deviceKey(placed, d, context);
    if (seen.has(like)) return [];
    seen.add(like);
    return fullSets(d, all, context).map((models) => {
      const next = placed.slice();
      for (let m = 0; m < context.models; m++) next[m * context.devices + d] = models.includes(m) ? 1 : 0;
      return next;
    });
  });
}

/**
 * Scores a placement by load balancing alone: expected accuracy with the most accurate cascade that each range can carry, minus a full
 * point for a range that can carry none; under an accuracy SLO, how much the cascades in use would load the devices.
 */
function judge(
  placed: Uint8Array,
  judges: readonly FrontierCascade[],
  headroom: number,
  draft: DraftPlan,
  context: PlanningContext,
): number {
  if (context.request.slo.type === 'accuracy' && draft.incumbent !== undefined) {
    return draft.incumbent.ranges.reduce((sum, range) => {
      const fullestMs = range.cascade && context.balancer.fullestMs(range.cascade, placed);
      return sum - (fullestMs === undefined || fullestMs * plannedQps(range, context) > 1000 ? 1e6 : range.weight * fullestMs);
    }, 0);
  }
  const carried = judges.map((cascade) => {
    const fullestMs = context.balancer.fullestMs(cascade, placed);
    return { accuracy: cascade.accuracy, qps: fullestMs === undefined ? 0 : (headroom * 1000) / fullestMs };
  });
  return draft.ranges.reduce((sum, range) => {
    const able = carried.filter(({ qps }) => qps >= plannedQps(range, context));
    return sum + (able.length === 0 ? -1 : range.weight * Math.max(...able.map(({ accuracy }) => accuracy)));
  }, 0);
}

/** The score of a placement under a latency SLO. */
export function judgedAccuracy(placed: Uint8Array, headroom: number, draft: DraftPlan, context: PlanningContext): number {
  return judge(placed, judgesOf(context), headroom, draft, context);
}

function judgesOf(context: PlanningContext): readonly FrontierCascade[] {
  return [...evenly(context.searched, JUDGES), ...frontiersWithout([], context).byModels];
}

/** Equal for placements that differ only by swapping like devices. */
function canonicalKey(placed: Uint8Array, context: PlanningContext): string {
  return context.request.devices
    .map((_, d) => deviceKey(placed, d, context))
    .sort()
    .join(' ');
}

/** Devices with equal keys are interchangeable: same class, same memory, same models. */
export function deviceKey(placed: Uint8Array, device: number, context: PlanningContext): string {
  const held = placed.filter((_, replica) => replica % context.devices === device);
  return `${context.costs.classOf[device]}/${context.request.devices[device].memoryBytes}/${placementKey(held)}`;
}
