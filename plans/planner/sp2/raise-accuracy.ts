import { type DraftPlan, type DraftRange, type FrontierCascade, plannedQps } from '../cycle/draft-plan.ts';
import type { PlanningContext } from '../cycle/planning-context.ts';
import { evenly } from '../evenly.ts';
import { canCarry, mayCarry } from '../sp1/usable-cascades.ts';
import { tuneAll } from '../sp4/sp4-tune-batching.ts';
import type { TuningJob } from '../sp4/tuning-job.ts';

/** Most cascades to estimate per range. */
const ESTIMATED = 24;
/** Most cascades to tune per range, out of those. */
const TRIES = 5;
/** Estimates come from short runs, so one slightly above the limit may be wrong. */
const ESTIMATE_TOLERANCE = 1.1;

interface Estimate {
  readonly cascade: FrontierCascade;
  readonly p95: number;
}

/**
 * SP2 searches the frontier of accuracy and work, where a cascade of many cheap stages can hide one that costs a little more but
 * answers sooner. This tries more accurate cascades off that frontier for each range, on the given placement. Short simulations
 * estimate which of them may hold the latency. Bisection by estimate then skips those that are slower than one that failed, or less
 * accurate than one that holds.
 * @param cascades ascending in accuracy.
 */
export async function raiseAccuracy(
  draft: DraftPlan,
  cascades: readonly FrontierCascade[],
  context: PlanningContext,
): Promise<DraftPlan> {
  let open = await estimates(draft, cascades, context);
  let current = draft;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const asked = open.flatMap((own, range) => (own.length === 0 ? [] : [{ range, ...own[own.length >> 1] }]));
    const tuned = await tuneAll(asked, draft, context);
    for (const { range, cascade, p95 } of asked) {
      const tuning = tuned.get(range);
      const isOpen = (other: Estimate): boolean =>
        tuning === undefined ? other.p95 < p95 : other.cascade.accuracy > cascade.accuracy;
      open = open.with(range, open[range].filter(isOpen));
      if (tuning === undefined) continue;
      const balance = context.balancer.balance(cascade, draft.placed);
      current = { ...current, ranges: current.ranges.with(range, { ...current.ranges[range], cascade, tuning, balance }) };
    }
  }
  return current;
}

/** Per range: cascades that are more accurate than its own and may hold the latency, fastest first. */
async function estimates(
  draft: DraftPlan,
  cascades: readonly FrontierCascade[],
  context: PlanningContext,
): Promise<readonly (readonly Estimate[])[]> {
  const asked = draft.ranges.flatMap((range, at) =>
    moreAccurate(range, cascades, draft, context).map((cascade) => ({ at, cascade })),
  );
  const jobs = asked.flatMap(({ at, cascade }): TuningJob[] => {
    const balance = context.balancer.balance(cascade, draft.placed);
    const range = draft.ranges[at];
    const toQps = plannedQps(range, context);
    return balance === undefined ? [] : [{ type: 'estimate', fromQps: range.fromQps, toQps, cascade, shares: balance.shares }];
  });
  if (jobs.length !== asked.length) throw new Error('a cascade to estimate has a model without a replica');
  const answers = await context.tuner.answer(jobs);
  const found: Estimate[][] = draft.ranges.map(() => []);
  answers.forEach(({ tuning, simulations }, i) => {
    context.simulations += simulations;
    const p95 = tuning?.latencyMs.p95 ?? Number.POSITIVE_INFINITY;
    if (p95 <= ESTIMATE_TOLERANCE * context.latencyLimitMs) found[asked[i].at].push({ cascade: asked[i].cascade, p95 });
  });
  return found.map((own) => own.sort((a, b) => a.p95 - b.p95 || b.cascade.accuracy - a.cascade.accuracy));
}

function moreAccurate(
  range: DraftRange,
  cascades: readonly FrontierCascade[],
  draft: DraftPlan,
  context: PlanningContext,
): FrontierCascade[] {
  const accepted = range.cascade?.accuracy ?? 0;
  const better = cascades.filter((cascade) => cascade.accuracy > accepted && mayCarry(cascade, range, context));
  return evenly(better, ESTIMATED).filter((cascade) => canCarry(cascade, range, draft, context));
}
