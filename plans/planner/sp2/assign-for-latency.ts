import { type DraftPlan, type DraftRange, type FrontierCascade, OK, type PlanError, withRange } from '../cycle/draft-plan.ts';
import type { PlanningContext } from '../cycle/planning-context.ts';
import type { Step, SubModule } from '../cycle/submodule.ts';
import { frontiersWithout } from '../sp1/frontiers.ts';
import { withoutModel } from '../sp3/without-model.ts';

/** `stepsDown` of a range that went past the lower end of the frontier to the cascade with the shortest path. */
const LAST_RESORT = Number.POSITIVE_INFINITY;

/**
 * Under a latency SLO, each range gets the most accurate cascade that the later submodules accept. Ranges start at the top of the
 * frontier and, on errors, step down it. Deviation: steps double, because the paper's single steps need hundreds of simulations per
 * range. Once a plan is feasible, the cascades between the accepted and the cheapest failed one are tried by bisection.
 */
export const assignForLatency: SubModule = (incoming, draft, context) => {
  if (incoming.type === 'error')
    return draft.incumbent === undefined ? stepDown(incoming, draft, context) : withdraw(incoming, draft, draft.incumbent);
  if (draft.incumbent !== undefined) return [OK, propose(draft, draft.incumbent)];
  const mostAccurate = usableCascades(draft).at(-1);
  return [OK, { ...draft, ranges: draft.ranges.map((range) => ({ ...range, cascade: range.cascade ?? mostAccurate })) }];
};

function stepDown(error: PlanError, draft: DraftPlan, context: PlanningContext): Step {
  if (error.metric === 'memoryBytes') return excludeModel(error, draft, context);
  const usable = usableCascades(draft);
  let stepped = draft;
  for (const failed of [error.range, ...error.others]) {
    const range = draft.ranges[failed];
    const at = usable.findIndex((cascade) => cascade.key === range.cascade?.key);
    const cascade = at > 0 ? usable[Math.max(0, at - 2 ** range.stepsDown)] : lastResort(range, draft, context);
    if (cascade === undefined || range.stepsDown === LAST_RESORT) return [{ ...error, range: failed }, draft];
    const leastFailedWorkMs = Math.min(range.leastFailedWorkMs, usable[at]?.workMs ?? Number.POSITIVE_INFINITY);
    stepped = withRange(stepped, failed, { cascade, leastFailedWorkMs, stepsDown: at > 0 ? range.stepsDown + 1 : LAST_RESORT });
  }
  return [OK, stepped];
}

/**
 * Below the cheapest cascade: the one with the shortest path, which differs if a larger model answers a single request sooner.
 * Undefined if that has failed too.
 */
function lastResort(range: DraftRange, draft: DraftPlan, context: PlanningContext): FrontierCascade | undefined {
  const pathMs = ({ models, reach }: FrontierCascade): number => context.costs.pathMs(models, reach, models.length);
  const all = [draft.frontier, ...frontiersWithout(draft.excludedModels, context).alternatives].flat();
  const fastest = all.reduce<FrontierCascade | undefined>(
    (best, cascade) => (best !== undefined && pathMs(best) <= pathMs(cascade) ? best : cascade),
    undefined,
  );
  return fastest?.key === range.cascade?.key ? undefined : fastest;
}

/** The models in use do not fit together: every range that uses the named one moves to the next cheaper cascade without it. */
function excludeModel(error: PlanError, draft: DraftPlan, context: PlanningContext): Step {
  const without = withoutModel(error.model, draft, context);
  const usable = usableCascades(without);
  if (usable.length === 0) return [error, draft];
  const ranges = draft.ranges.map((range) => {
    if (!range.cascade?.models.includes(error.model)) return range;
    const workMs = range.cascade.workMs;
    return { ...range, cascade: usable.findLast((cascade) => cascade.workMs <= workMs) ?? usable[0] };
  });
  return [OK, { ...without, ranges }];
}

/** Withdraws failed proposals: their ranges get the next proposal, or go back to the incumbent. */
function withdraw(error: PlanError, draft: DraftPlan, incumbent: DraftPlan): Step {
  const isChanged = (i: number): boolean => draft.ranges[i].cascade?.key !== incumbent.ranges[i].cascade?.key;
  const proposals = [error.range, ...error.others].filter(isChanged);
  if (proposals.length > 0) {
    let next = draft;
    for (const failed of proposals) {
      const range = draft.ranges[failed];
      const accepted = incumbent.ranges[failed].cascade;
      const leastFailedWorkMs = Math.min(range.leastFailedWorkMs, range.cascade?.workMs ?? Number.POSITIVE_INFINITY);
      const cascade = nextProposal({ ...range, leastFailedWorkMs }, accepted, draft) ?? accepted;
      next = withRange(next, failed, { cascade, leastFailedWorkMs });
    }
    const changed = restoredPlacement(next, incumbent);
    return [
      OK,
      changed.ranges.some((r, i) => r.cascade?.key !== incumbent.ranges[i].cascade?.key) ? changed : propose(changed, incumbent),
    ];
  }
  // The failed range itself has not changed: proposals for others took its devices. If there was only one, it is rejected; if there
  // were several, all are withdrawn and tried one at a time.
  const changed = draft.ranges.flatMap((_, i) => (isChanged(i) ? [i] : []));
  const ranges = draft.ranges.map((r, i) => {
    const failed =
      changed.length === 1 && changed[0] === i ? (r.cascade?.workMs ?? Number.POSITIVE_INFINITY) : r.leastFailedWorkMs;
    return { ...incumbent.ranges[i], leastFailedWorkMs: Math.min(r.leastFailedWorkMs, failed) };
  });
  return [OK, propose({ ...restoredPlacement(draft, incumbent), ranges, cautious: true }, incumbent)];
}

function restoredPlacement(draft: DraftPlan, incumbent: DraftPlan): DraftPlan {
  return { ...draft, placed: incumbent.placed, forcedReplicas: incumbent.forcedReplicas };
}

/** If only one range may change, the one that occurs most often goes first. */
function propose(draft: DraftPlan, incumbent: DraftPlan): DraftPlan {
  const order = draft.ranges.map((_, i) => i).sort((a, b) => draft.ranges[b].weight - draft.ranges[a].weight || a - b);
  let proposed = draft;
  for (const i of order) {
    const cascade = nextProposal(draft.ranges[i], incumbent.ranges[i].cascade, draft);
    if (cascade === undefined) continue;
    proposed = withRange(proposed, i, { cascade });
    if (draft.cautious) break;
  }
  return proposed;
}

/** The middle of the cascades that are better than the accepted one and cheaper than any that failed here. */
function nextProposal(range: DraftRange, accepted: FrontierCascade | undefined, draft: DraftPlan): FrontierCascade | undefined {
  const open = usableCascades(draft).filter(
    (cascade) => cascade.accuracy > (accepted?.accuracy ?? 0) && cascade.workMs < range.leastFailedWorkMs,
  );
  return open[open.length >> 1];
}

function usableCascades(draft: DraftPlan): readonly FrontierCascade[] {
  if (draft.excludedModels.length === 0) return draft.frontier;
  return draft.frontier.filter((cascade) => !cascade.models.some((model) => draft.excludedModels.includes(model)));
}
