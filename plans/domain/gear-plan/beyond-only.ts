import { gearsWithout } from './contingency.ts';
import type { GearPlan } from './gear-plan.ts';

type Replica = GearPlan['placement'][number];

/** Replicas used only by gears beyond the plan, both with all devices and with any one lost: they are placed for crowds alone. */
export function beyondOnly(plan: Pick<GearPlan, 'placement' | 'devices' | 'gears' | 'beyond' | 'contingencies'>): Replica[] {
  const tables = [plan, ...plan.devices.flatMap((device) => gearsWithout(plan, device) ?? [])];
  const uses =
    (list: 'gears' | 'beyond') =>
    ({ model, device }: Replica): boolean =>
      tables.some((table) => table[list]?.some(({ shares }) => shares[model]?.[device] > 0));
  const [promised, beyond] = [uses('gears'), uses('beyond')];
  return plan.placement.filter((replica) => beyond(replica) && !promised(replica));
}
