import { frontiersWithout } from '../sp1/frontiers.ts';
import { deviceKey } from '../sp3/search-placement.ts';
import type { ContingencyDraft, DraftPlan, FrontierCascade } from './draft-plan.ts';
import { pinnedDraft } from './initial-draft.ts';
import type { PlanningContext } from './planning-context.ts';
import { runCycle } from './planning-cycle.ts';

/** By default, losses are planned only up to these numbers: each kind of loss takes about as long as a plan on a given placement. */
const MAX_KINDS = 4;
const MAX_DEVICES = 64;
/** Keeps rounding from failing a target that was just reached: it is retried at what was reached less this. */
const EPSILON = 1e-9;

/** Plans for the loss of each device on the given placement, so that no model has to be loaded when it happens. */
export async function planContingencies(draft: DraftPlan, context: PlanningContext): Promise<ContingencyDraft[] | undefined> {
  const { contingencies, restrict } = context.request;
  const kinds = new Map<string, number[]>();
  for (let d = 0; d < context.devices; d++) {
    const key = deviceKey(draft.placed, d, context);
    kinds.set(key, [...(kinds.get(key) ?? []), d]);
  }
  const quick = context.devices >= 2 && context.devices <= MAX_DEVICES && kinds.size <= MAX_KINDS && restrict === undefined;
  if (!(contingencies ?? quick)) return undefined;
  const planned: ContingencyDraft[] = [];
  for (const devices of kinds.values()) {
    context.progress(`planning for the loss of ${devices.map((d) => context.system.deviceNames[d]).join(' or ')}`);
    const without = draft.placed.map((p, replica) => (replica % context.devices === devices[0] ? 0 : p));
    const found = await planWithout(without, draft, context);
    if (found !== undefined) planned.push({ devices, draft: found });
  }
  return planned;
}

/** Plans as many of the lowest ranges as the other devices can serve within the SLO, or under an accuracy SLO as accurately as they can. */
async function planWithout(placed: Uint8Array, draft: DraftPlan, context: PlanningContext): Promise<DraftPlan | undefined> {
  if (!placed.includes(1)) return undefined;
  let ranges = draft.ranges.length;
  let lowered: number | undefined;
  while (ranges > 0) {
    const start = pinnedDraft(placed, context);
    const weight = start.ranges.slice(0, ranges).reduce((sum, range) => sum + range.weight, 0);
    const result = await runCycle(
      {
        ...start,
        accuracyTarget: lowered ?? start.accuracyTarget * weight,
        ranges: start.ranges.slice(0, ranges).map((range, i) => {
          const cascade = startingPoint(draft.ranges[i].cascade, start.excludedModels, context);
          // More work than the plan's own cascade was too much for all devices, so it is too much for fewer.
          const leastFailedWorkMs = cascade === undefined ? Number.POSITIVE_INFINITY : cascade.workMs * (1 + EPSILON);
          return { ...range, ...(context.request.slo.type === 'latency' && { cascade, leastFailedWorkMs }) };
        }),
      },
      context,
    );
    if (result.type === 'feasible') return result.draft;
    const { metric, value, range } = result.error;
    if (metric === 'accuracy' && value > 0 && value < (lowered ?? Number.POSITIVE_INFINITY)) lowered = value - EPSILON;
    else {
      ranges = Math.min(range, ranges - 1);
      lowered = undefined;
    }
  }
  return undefined;
}

/** The plan's own cascade, or the next less accurate one without the lost models. */
function startingPoint(
  cascade: FrontierCascade | undefined,
  excluded: readonly number[],
  context: PlanningContext,
): FrontierCascade | undefined {
  const { frontier } = frontiersWithout(excluded, context);
  return frontier.findLast((other) => other.accuracy <= (cascade?.accuracy ?? 1));
}
