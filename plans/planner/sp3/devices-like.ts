import type { PlanDevice } from '../../domain/profile/batch-cost.ts';

/** `count` devices, repeating the kinds of the given ones in order. */
export function devicesLike(devices: readonly PlanDevice[], count: number): PlanDevice[] {
  return Array.from({ length: count }, (_, i) => {
    const like = devices[i % devices.length];
    return i < devices.length ? like : { ...like, id: `${like.id}+${Math.floor(i / devices.length)}` };
  });
}

/** One device of each kind: class and memory. */
export function kindsOf(devices: readonly PlanDevice[]): PlanDevice[] {
  const kinds = new Map(devices.map((device) => [`${device.deviceClass}/${device.memoryBytes}`, device] as const).reverse());
  return [...kinds.values()].reverse();
}
