import { gearsWithout } from '../../domain/gear-plan/contingency.ts';
import type { Gear, GearPlan } from '../../domain/gear-plan/gear-plan.ts';
import { frontierOf, gearOfRange } from '../cycle/assemble-plan.ts';
import type { ContingencyDraft, DraftPlan, DraftRange } from '../cycle/draft-plan.ts';
import type { PlanningContext } from '../cycle/planning-context.ts';
import { fits } from '../sp3/device-fit.ts';
import { planBeyond } from './plan-beyond.ts';

/** Families are ordered by cost, cheapest first. */
const CHEAPEST = 0;

/**
 * Adds gears for loads beyond those that a finished plan promises. They use its placement, plus replicas of the cheapest model, which
 * carries the most, in the memory that is left.
 */
export async function withBeyond(
  plan: GearPlan,
  draft: DraftPlan,
  losses: readonly ContingencyDraft[] | undefined,
  context: PlanningContext,
): Promise<GearPlan> {
  context.progress('planning for loads beyond the highest');
  const placed = withCheapest(placedOf(plan, context), context);
  const ranges = await planBeyond(lastOf(draft), placed, context);
  const contingencies: NonNullable<GearPlan['contingencies']> = [];
  for (const [i, loss] of (losses ?? []).entries()) {
    const left = placedWithout(loss.devices, placed, context);
    const lossRanges = await planBeyond(lastOf(loss.draft), left, context);
    contingencies.push({ ...plan.contingencies![i], ...beyond(lossRanges, left, context) });
  }
  const { contingencies: _, ...rest } = plan;
  const found = { ...beyond(ranges, placed, context), ...(losses !== undefined && { contingencies }) };
  return {
    ...rest,
    placement: withUsed(plan, found, context),
    ...found,
    frontier: frontierOf({ ...draft, ranges: [...draft.ranges, ...ranges] }, context),
    search: { ...plan.search, simulations: context.simulations, linearPrograms: context.solver.solved },
  };
}

function beyond(ranges: readonly DraftRange[], placed: Uint8Array, context: PlanningContext): Pick<GearPlan, 'beyond'> {
  return ranges.length === 0 ? {} : { beyond: ranges.map((range) => gearOfRange(range, placed, context)) };
}

function lastOf({ ranges }: DraftPlan): DraftRange {
  return ranges[ranges.length - 1];
}

function placedOf({ placement }: GearPlan, { models, devices, system }: PlanningContext): Uint8Array {
  const placed = new Uint8Array(models * devices);
  for (const { model, device } of placement)
    placed[system.modelNames.indexOf(model) * devices + system.deviceNames.indexOf(device)] = 1;
  return placed;
}

/** Adds the cheapest model to each device that can run it and has memory left. Nothing else changes. */
function withCheapest(placed: Uint8Array, context: PlanningContext): Uint8Array {
  const { profile, devices, restrict } = context.request;
  if (restrict === 'one-cascade') return placed;
  const more = placed.slice();
  devices.forEach(({ memoryBytes }, d) => {
    const used = profile.models.reduce((sum, model, m) => sum + placed[m * devices.length + d] * model.memoryBytes, 0);
    const freeBytes = memoryBytes - used;
    if (fits(CHEAPEST, d, context) && profile.models[CHEAPEST].memoryBytes <= freeBytes) more[CHEAPEST * devices.length + d] = 1;
  });
  return more;
}

/** Adds to the placement the replicas that the gears beyond use, and no others. */
function withUsed(
  plan: GearPlan,
  found: Pick<GearPlan, 'beyond' | 'contingencies'>,
  { system: { modelNames, deviceNames } }: PlanningContext,
): GearPlan['placement'] {
  const beyondGears: Gear[] = [
    ...(found.beyond ?? []),
    ...deviceNames.flatMap((device) => gearsWithout(found, device)?.beyond ?? []),
  ];
  const isPlaced = (model: string, device: string): boolean =>
    plan.placement.some((replica) => replica.model === model && replica.device === device) ||
    beyondGears.some(({ shares }) => shares[model]?.[device] > 0);
  return modelNames.flatMap((model) => deviceNames.flatMap((device) => (isPlaced(model, device) ? [{ model, device }] : [])));
}

/**
 * The placement that is left after the loss of one of several like devices. The gears for the loss of the first also serve for the
 * loss of any other, with the two swapped, so only replicas that the first holds too count on the others.
 */
function placedWithout([lost, ...alike]: readonly number[], placed: Uint8Array, { devices }: PlanningContext): Uint8Array {
  return placed.map((replica, i) => {
    const device = i % devices;
    if (device === lost) return 0;
    return alike.includes(device) ? replica & placed[i - device + lost] : replica;
  });
}
