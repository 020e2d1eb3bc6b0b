import { allGears, describeCascade, type GearPlan, type GearReason } from '../domain/gear-plan/gear-plan.ts';
import { reachesAccuracy } from '../planner/accuracy-rounding.ts';
import { percent, plain } from './format.ts';

/**
 * Why a gear has its cascade and not a better one: the planner's reason, else one derived from the plan's figures. Better means more
 * accurate under a latency SLO, and cheaper under an accuracy SLO (CascadeServe §3).
 */
export function gearReason(plan: GearPlan, index: number): GearReason {
  const gear = allGears(plan)[index];
  if (gear.why !== undefined) return gear.why;
  if (index >= plan.gears.length) return whyBeyond(plan);
  return 'p95' in plan.slo ? whyNotDearer(plan, index, plan.slo.p95) : whyNotCheaper(plan, index, plan.slo.accuracy);
}

function whyBeyond(plan: GearPlan): GearReason {
  const limit = percent(marginOf(plan, 'utilisationMargin'), 0);
  return {
    binds: 'utilisation',
    text: `best effort, no SLO promised: of the placed models, the most accurate cascade that carries the top of its range at a utilisation of ${limit} or less`,
  };
}

function whyNotDearer(plan: GearPlan, index: number, sloMs: number): GearReason {
  const gear = plan.gears[index];
  // The frontier ascends in work and accuracy, so the first more accurate cascade is the next step up.
  const next = plan.frontier.find((point) => point.accuracy > gear.expected.accuracy);
  if (next === undefined) return { binds: 'nothing', text: 'the most accurate of all cascades considered' };
  const above = plan.gears.findIndex(({ expected }, i) => i > index && expected.accuracy > gear.expected.accuracy);
  if (above !== -1) {
    const { cascade, expected } = plan.gears[above];
    const what = `${describeCascade(cascade)} (${percent(expected.accuracy)})`;
    return { binds: 'nothing', text: `gear ${above} serves more load with ${what}: the search did not reach it here` };
  }
  const better = describePoint(next);
  const excluded = String(plan.search.noMemoryFor ?? '').split(', ');
  const missing = next.cascade.find(({ model }) => excluded.includes(model));
  if (missing !== undefined) {
    return {
      binds: 'memory',
      text: `${better} needs ${missing.model}, which does not fit into the devices' memory with the others`,
    };
  }
  const top = gear.qps[1];
  const needed = (next.computeMs * top) / (1_000 * plan.devices.length);
  const limit = marginOf(plan, 'utilisationMargin');
  if (needed > limit) {
    const room = limit < 1 ? `; ${percent(limit, 0)} is the limit, which leaves room for bursts` : '';
    return {
      binds: 'utilisation',
      text: `${better} would take ${percent(needed, 0)} of all device time at ${plain(top)} requests/s${room}`,
    };
  }
  const limitMs = sloMs * marginOf(plan, 'latencyMargin');
  return {
    binds: 'latency',
    text: `${better} would fit by its work (${percent(needed, 0)} of all device time), but the search found no placement and batching for it with a p95 of ${plain(limitMs)} ms or less`,
  };
}

function whyNotCheaper(plan: GearPlan, index: number, slo: number): GearReason {
  const gear = plan.gears[index];
  const next = plan.frontier.findLast((point) => point.accuracy < gear.expected.accuracy);
  if (next === undefined) return { binds: 'nothing', text: 'the cheapest of all cascades considered' };
  const mean = plan.expected.accuracy - plan.qpsWeights[index] * (gear.expected.accuracy - next.accuracy);
  const change = `${describePoint(next)} in this range would bring the mean accuracy to ${percent(mean, 3)}`;
  if (!reachesAccuracy(mean, slo)) return { binds: 'accuracy', text: `${change}, below the SLO of ${percent(slo)}` };
  return { binds: 'latency', text: `${change}, which the SLO allows; the search found no lower latency with it` };
}

function describePoint({ cascade, accuracy }: GearPlan['frontier'][number]): string {
  return `the next ${describeCascade(cascade)} (${percent(accuracy)})`;
}

/** Headroom that the planner left below a limit; 1 when the plan does not say. */
function marginOf(plan: GearPlan, name: string): number {
  const margin = plan.search[name];
  return typeof margin === 'number' ? margin : 1;
}
