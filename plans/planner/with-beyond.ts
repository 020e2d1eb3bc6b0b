import type { GearPlan } from '../gear-plan.ts';
import { frontierOf, gearOfRange } from './assemble-plan.ts';
import type { ContingencyDraft } from './contingencies.ts';
import type { DraftPlan, DraftRange } from './draft-plan.ts';
import { planBeyond } from './plan-beyond.ts';
import type { PlanningContext } from './planning-context.ts';

/** A finished plan with gears beyond what it promises, on its placement: no further model is loaded for them. */
export async function withBeyond(
  plan: GearPlan,
  draft: DraftPlan,
  losses: readonly ContingencyDraft[] | undefined,
  context: PlanningContext,
): Promise<GearPlan> {
  context.progress('planning for loads beyond the highest');
  const placed = placedOf(plan, context);
  const ranges = await planBeyond(lastOf(draft), placed, context);
  const contingencies: NonNullable<GearPlan['contingencies']> = [];
  for (const [i, loss] of (losses ?? []).entries()) {
    const left = placedWithout(loss.devices, placed, context);
    const lossRanges = await planBeyond(lastOf(loss.draft), left, context);
    contingencies.push({ ...plan.contingencies![i], ...beyond(lossRanges, left, context) });
  }
  const { contingencies: _, ...rest } = plan;
  return {
    ...rest,
    ...beyond(ranges, placed, context),
    ...(losses !== undefined && { contingencies }),
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

/**
 * What is left when one of devices that are alike is lost. Gears for the loss of the first serve for the loss of each, the two
 * changing places: so of the others only those replicas count that the first holds, too.
 */
function placedWithout([lost, ...alike]: readonly number[], placed: Uint8Array, { devices }: PlanningContext): Uint8Array {
  return placed.map((replica, i) => {
    const device = i % devices;
    if (device === lost) return 0;
    return alike.includes(device) ? replica & placed[i - device + lost] : replica;
  });
}
