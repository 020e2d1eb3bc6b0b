import type { Infeasible, PlanRequest } from '../plan-request.ts';
import { planGears } from '../planner.ts';
import { devicesLike } from '../sp3/devices-like.ts';
import { fewest } from './fewest.ts';

/** A figure that changes by less than this when the number of devices doubles does not depend on it. */
const NO_CHANGE = 1e-3;
const MIN_TRIED = 64;

/** Adds to an infeasibility the fewest devices, of the kinds in the request, that would do, if any number does. */
export async function withFewestDevices(
  infeasible: Infeasible,
  request: PlanRequest,
  progress: (message: string) => void = () => undefined,
): Promise<Infeasible> {
  const tried = Math.max(MIN_TRIED, 4 * request.devices.length);
  let last = infeasible;
  let before: Infeasible | undefined;
  const found = await fewest(
    tried,
    async (count) => {
      progress(`trying ${count} devices`);
      const devices = devicesLike(request.devices, count);
      const result = await planGears({ ...request, devices }, { firstFeasible: true });
      if (result.type === 'plan') return true;
      [before, last] = [last, result];
      return undefined;
    },
    () => before !== undefined && isUnchanged(before, last),
    request.devices.length + 1,
  );
  return { ...infeasible, fewestDevices: { count: found?.count ?? null, tried } };
}

function isUnchanged({ best: a }: Infeasible, { best: b }: Infeasible): boolean {
  if (a.metric !== b.metric || a.metric === 'utilisation' || a.value === null || b.value === null) return false;
  return Math.abs(a.value - b.value) <= NO_CHANGE * Math.abs(a.value);
}
