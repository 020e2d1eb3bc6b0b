import type { PlanningContext } from '../cycle/planning-context.ts';
import { fits } from './device-fit.ts';

/** Devices of one class with the same memory, which are interchangeable while empty. */
export interface DeviceKind {
  readonly deviceClass: number;
  readonly devices: readonly number[];
}

export function deviceKinds(context: PlanningContext): DeviceKind[] {
  const kinds = new Map<string, { deviceClass: number; devices: number[] }>();
  context.request.devices.forEach(({ memoryBytes }, d) => {
    const deviceClass = context.costs.classOf[d];
    const key = `${deviceClass}/${memoryBytes}`;
    const kind = kinds.get(key);
    if (kind === undefined) kinds.set(key, { deviceClass, devices: [d] });
    else kind.devices.push(d);
  });
  return [...kinds.values()];
}

/** Maximal sets of the given models that a device can hold. */
export function fullSets(device: number, models: readonly number[], context: PlanningContext): number[][] {
  const { profile, devices } = context.request;
  const candidates = models.filter((m) => fits(m, device, context));
  const sets: number[][] = [];
  const extend = (from: number, chosen: number[], freeBytes: number): void => {
    const addable = candidates.filter((m) => !chosen.includes(m) && profile.models[m].memoryBytes <= freeBytes);
    if (addable.length === 0) sets.push(chosen);
    for (let i = from; i < candidates.length; i++) {
      const bytes = profile.models[candidates[i]].memoryBytes;
      if (bytes <= freeBytes) extend(i + 1, [...chosen, candidates[i]], freeBytes - bytes);
    }
  };
  extend(0, [], devices[device].memoryBytes);
  return sets;
}
