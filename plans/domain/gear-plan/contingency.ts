import type { Gear, GearPlan, GearTable } from './gear-plan.ts';

/**
 * The gears to use when a device is lost, with the placement unchanged.
 * @returns undefined when the plan has none: the loss was not planned for, or the other devices cannot carry any load within the SLO.
 */
export function gearsWithout(plan: Pick<GearPlan, 'contingencies'>, device: string): GearTable | undefined {
  const contingency = plan.contingencies?.find(({ lost, alike }) => lost === device || alike.includes(device));
  if (contingency === undefined) return undefined;
  const { lost, gears, beyond } = contingency;
  if (lost === device) return { gears, beyond };
  const renamed = (id: string): string => (id === device ? lost : id);
  const byDevice = (values: Readonly<Record<string, number>>): Record<string, number> =>
    Object.fromEntries(Object.entries(values).map(([id, value]) => [renamed(id), value]));
  const byModel = (values: Readonly<Record<string, Record<string, number>>>): Record<string, Record<string, number>> =>
    Object.fromEntries(Object.entries(values).map(([model, own]) => [model, byDevice(own)]));
  const renamedGear = (gear: Gear): Gear => ({
    ...gear,
    shares: byModel(gear.shares),
    minQueueLength: byModel(gear.minQueueLength),
    expected: { ...gear.expected, utilisation: byDevice(gear.expected.utilisation) },
  });
  return { gears: gears.map(renamedGear), beyond: beyond?.map(renamedGear) };
}
