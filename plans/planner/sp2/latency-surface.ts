import { type DraftPlan, type FrontierCascade, placementKey, plannedQps } from '../cycle/draft-plan.ts';
import type { LatencySurface, PlanningContext } from '../cycle/planning-context.ts';
import { evenly } from '../evenly.ts';
import { frontiersWithout } from '../sp1/frontiers.ts';
import type { TuningJob } from '../sp4/tuning-job.ts';
import { latencyScore } from './latency-score.ts';

/** Most cascades to estimate: with more, neighbours on a frontier would differ by less than the error of an estimate. */
const MAX_CASCADES = 64;
/** Most ranges in which latencies are simulated; between them they are interpolated. */
const MAX_LOADS = 8;

/** Estimates each cascade's latency in each range by short simulations at a few loads. */
export async function latencySurface(draft: DraftPlan, context: PlanningContext): Promise<LatencySurface> {
  const key = `${placementKey(draft.placed)}|${draft.ranges.length}|${draft.excludedModels.join(' ')}`;
  const known = context.surfaces.get(key);
  if (known !== undefined) return known;
  const cascades = candidates(draft, context);
  const loads = evenly(
    draft.ranges.map((_, i) => i),
    MAX_LOADS,
  );
  const asked: { cascade: number; load: number; job: TuningJob }[] = [];
  cascades.forEach((cascade, c) => {
    const balance = context.balancer.balance(cascade, draft.placed);
    if (balance === undefined) return;
    for (const load of loads) {
      const range = draft.ranges[load];
      if ((balance.maxDeviceMs * plannedQps(range, context)) / 1000 > 1) break;
      const { fromQps, toQps } = range;
      asked.push({ cascade: c, load, job: { type: 'estimate', fromQps, toQps, cascade, shares: balance.shares } });
    }
  });
  context.progress(`estimating the latency of ${cascades.length} cascades at ${loads.length} loads`);
  const answers = await context.tuner.answer(asked.map(({ job }) => job));
  const at = cascades.map(() => new Map<number, number>());
  answers.forEach(({ tuning, simulations }, i) => {
    context.simulations += simulations;
    if (tuning !== undefined) at[asked[i].cascade].set(asked[i].load, latencyScore(tuning.latencyMs));
  });
  const surface = { cascades, scoreMs: at.map((points) => interpolated(points, draft)) };
  context.surfaces.set(key, surface);
  return surface;
}

/** Cascades of all frontiers, evenly spaced on each. */
function candidates(draft: DraftPlan, context: PlanningContext): FrontierCascade[] {
  const frontiers = [draft.frontier, ...frontiersWithout(draft.excludedModels, context).alternatives];
  const found = new Map<string, FrontierCascade>();
  for (const frontier of frontiers) {
    for (const cascade of evenly(frontier, Math.ceil((2 * MAX_CASCADES) / frontiers.length))) found.set(cascade.key, cascade);
  }
  const ascending = [...found.values()].sort((a, b) => a.accuracy - b.accuracy || a.workMs - b.workMs);
  return [...evenly(ascending, MAX_CASCADES)];
}

/** Interpolates linearly in load between the simulated ranges; Infinity above the last that keeps up. */
function interpolated(points: ReadonlyMap<number, number>, draft: DraftPlan): Float64Array {
  const known = [...points].sort(([a], [b]) => a - b);
  return Float64Array.from(draft.ranges, ({ toQps }, i) => {
    const above = known.findIndex(([load]) => load >= i);
    if (above === -1) return Number.POSITIVE_INFINITY;
    const [right, rightMs] = known[above];
    if (right === i || above === 0) return rightMs;
    const [left, leftMs] = known[above - 1];
    const [from, to] = [draft.ranges[left].toQps, draft.ranges[right].toQps];
    return leftMs + ((toQps - from) / (to - from)) * (rightMs - leftMs);
  });
}
