import {
  type DraftPlan,
  type DraftRange,
  type FrontierCascade,
  OK,
  type PlanError,
  placementKey,
  type Step,
  withRange,
} from './draft-plan.ts';
import type { PlanningContext } from './planning-context.ts';

/** Samples beyond this fraction do not show in a p95. */
const TAIL = 0.05;
/** Rounds in which measured latencies take the place of estimates, once a plan is feasible. */
const MAX_ROUNDS = 12;
/** Cascades considered, evenly over the frontier: neighbours differ by less than a simulation can tell. */
const MAX_CASCADES = 48;
/** Estimates must be low, or a good cascade is never tried: queues are taken to be shorter than they are. */
const MAX_STRETCH = 4;

/**
 * Under an accuracy SLO the cascades of all ranges together must reach the expected accuracy, as fast as possible: minimise
 * sum(weight * latency) subject to sum(weight * accuracy) >= target. Every range starts at its fastest cascade; the step that
 * buys accuracy at the least latency goes first, which on each range's convex hull is optimal up to the last step. Latency is
 * estimated, rather too low, until SP4 has simulated it; what looks good is tried, and when all that looks good is known, it is.
 */
export function assignForAccuracy(
  incoming: PlanError | { type: 'ok' },
  draft: DraftPlan,
  context: PlanningContext,
  target: number,
): Step {
  let current = draft;
  if (incoming.type === 'error') {
    if (incoming.metric === 'memoryBytes') current = { ...current, excludedModels: [...current.excludedModels, incoming.model] };
    else {
      for (const failed of [incoming.range, ...incoming.others]) {
        const range = draft.ranges[failed];
        const leastFailedWorkMs = Math.min(range.leastFailedWorkMs, range.cascade?.workMs ?? Number.POSITIVE_INFINITY);
        current = withRange(current, failed, { leastFailedWorkMs });
      }
    }
  }
  const { incumbent } = draft;
  const options = openCascades(current, context);
  const empty = options.findIndex((open) => open.length === 0);
  if (empty !== -1 && incoming.type === 'error')
    return incumbent === undefined ? [incoming, draft] : [OK, backTo(incumbent, current)];
  const assignment = cheapestReaching(options, current.ranges, target);
  if (assignment.type === 'short') {
    if (incumbent !== undefined) return [OK, backTo(incumbent, current)];
    return [shortOfAccuracy(assignment.reached, target, incoming, current, context), draft];
  }
  const key = assignment.chosen.map((cascade) => cascade.key).join(';');
  if (incumbent !== undefined && (current.tried.includes(key) || current.tried.length >= MAX_ROUNDS))
    return [OK, backTo(incumbent, current)];
  const ranges = current.ranges.map((range, i) => ({ ...range, cascade: assignment.chosen[i] }));
  return [OK, { ...current, ranges, tried: [...current.tried, key] }];
}

interface Option {
  readonly cascade: FrontierCascade;
  readonly latencyMs: number;
}

function backTo(incumbent: DraftPlan, draft: DraftPlan): DraftPlan {
  const ranges = incumbent.ranges.map((range, i) => ({ ...range, leastFailedWorkMs: draft.ranges[i].leastFailedWorkMs }));
  return { ...draft, ranges, placed: incumbent.placed, forcedReplicas: incumbent.forcedReplicas };
}

/** Per range: cascades not known to fail there, with their latencies as far as is known. */
function openCascades(draft: DraftPlan, context: PlanningContext): Option[][] {
  const placement = placementKey(draft.placed);
  const cascades = thinned(draft.frontier).filter((c) => !c.models.some((model) => draft.excludedModels.includes(model)));
  // No cascade is faster at a higher load: what was simulated at a lower one bounds its latency from below.
  const atLeast = new Map<string, number>();
  return draft.ranges.map((range) =>
    cascades.flatMap((cascade): Option[] => {
      const known = context.tunings.get(`${range.toQps}|${cascade.key}|${placement}`);
      const bound = Math.max(atLeast.get(cascade.key) ?? 0, known?.latencyMs.p95 ?? 0);
      atLeast.set(cascade.key, bound);
      if (known === null || cascade.workMs >= range.leastFailedWorkMs) return [];
      return [{ cascade, latencyMs: known?.latencyMs.p95 ?? Math.max(bound, estimatedP95(cascade, range, context)) }];
    }),
  );
}

function thinned(frontier: readonly FrontierCascade[]): readonly FrontierCascade[] {
  if (frontier.length <= MAX_CASCADES) return frontier;
  const last = frontier.length - 1;
  return Array.from({ length: MAX_CASCADES }, (_, i) => frontier[Math.round((i * last) / (MAX_CASCADES - 1))]);
}

/** Time through the stages that a twentieth of the samples reach, stretched as in a queue of that utilisation. */
function estimatedP95(cascade: FrontierCascade, range: DraftRange, context: PlanningContext): number {
  let ms = 3 * context.request.profile.overhead.hopMs;
  cascade.models.forEach((model, s) => {
    if (cascade.reach[s] > TAIL) ms += context.costs.fastestMs(model, 1);
  });
  const utilisation = (range.toQps * cascade.workMs) / (1000 * context.devices);
  return ms * Math.min(MAX_STRETCH, 1 / Math.max(1e-9, 1 - utilisation));
}

type Assignment = { type: 'reached'; chosen: FrontierCascade[] } | { type: 'short'; reached: number };

function cheapestReaching(options: readonly Option[][], ranges: readonly DraftRange[], target: number): Assignment {
  const hulls = options.map(lowerHull);
  const at = hulls.map(() => 0);
  const accuracy = (): number => at.reduce((sum, k, i) => sum + ranges[i].weight * (hulls[i][k]?.cascade.accuracy ?? 0), 0);
  const steps = hulls
    .flatMap((hull, range) => hull.slice(1).map((option, k) => ({ range, to: k + 1, slope: slope(hull[k], option) })))
    .sort((a, b) => a.slope - b.slope || a.range - b.range || a.to - b.to);
  let reached = accuracy();
  for (const step of steps) {
    if (reached >= target) break;
    at[step.range] = step.to;
    reached = accuracy();
    if (reached < target) continue;
    // The last step may go too far: the fastest cascade of its range that still reaches the target.
    const hull = hulls[step.range];
    const others = reached - ranges[step.range].weight * hull[step.to].cascade.accuracy;
    const enough = options[step.range].filter((o) => others + ranges[step.range].weight * o.cascade.accuracy >= target);
    const fastest = enough.reduce((best, o) => (o.latencyMs < best.latencyMs ? o : best), hull[step.to]);
    return { type: 'reached', chosen: at.map((k, i) => (i === step.range ? fastest.cascade : hulls[i][k].cascade)) };
  }
  if (reached < target) return { type: 'short', reached };
  return { type: 'reached', chosen: at.map((k, i) => hulls[i][k].cascade) };
}

/** Options that are the fastest for their accuracy and on the lower convex hull of latency over accuracy. */
function lowerHull(options: readonly Option[]): Option[] {
  const hull: Option[] = [];
  for (const option of options.toSorted((a, b) => a.latencyMs - b.latencyMs || b.cascade.accuracy - a.cascade.accuracy)) {
    if (hull.length > 0 && option.cascade.accuracy <= hull[hull.length - 1].cascade.accuracy) continue;
    while (hull.length > 1 && slope(hull[hull.length - 1], option) <= slope(hull[hull.length - 2], hull[hull.length - 1]))
      hull.pop();
    hull.push(option);
  }
  return hull;
}

/** Latency paid for each unit of accuracy. */
function slope(from: Option, to: Option): number {
  return (to.latencyMs - from.latencyMs) / (to.cascade.accuracy - from.cascade.accuracy);
}

function shortOfAccuracy(
  reached: number,
  target: number,
  incoming: PlanError | { type: 'ok' },
  draft: DraftPlan,
  context: PlanningContext,
): PlanError {
  // The error that closed the last way names range and model; without one, the family itself is not accurate enough.
  const blamed = incoming.type === 'error' ? incoming : undefined;
  const mostAccurate = draft.frontier.at(-1);
  const model = blamed?.model ?? mostAccurate?.models.at(-1) ?? 0;
  const name = context.request.profile.models[model].name;
  const cause = blamed === undefined ? `the most accurate cascade ends in ${name}` : blamed.reason;
  const reason = `the best expected accuracy is ${reached.toFixed(4)}, the target ${target}: ${cause}`;
  return {
    type: 'error',
    range: blamed?.range ?? draft.ranges.length - 1,
    others: [],
    model,
    metric: 'accuracy',
    value: reached,
    limit: target,
    reason,
  };
}
