import type { GearPlan } from '../../domain/gear-plan/gear-plan.ts';
import type { PlanDevice } from '../../domain/profile/batch-cost.ts';
import { accuracyOf, type Correction, mapTimes, type Profile } from '../../domain/profile/profile.ts';
import { plainCurve } from '../../domain/profile/runtime-curve-schema.ts';
import { certaintyEdges } from '../../drift/certainty-bins.ts';

/** The part of the profile that devices need, for the plan. Runtimes are as measured; their correction is stored separately. */
export function planWeights({ models, correction }: Pick<Profile, 'models' | 'correction'>): GearPlan['weights'] {
  return Object.fromEntries(
    models.map(({ name, digest, memoryBytes, runtimes, certainties, quality, output }) => [
      name,
      {
        digest,
        memoryBytes,
        runtimes: Object.fromEntries(
          Object.entries(runtimes).map(([deviceClass, curve]) => [
            deviceClass,
            plainCurve(mapTimes(curve, (ms) => Number((ms / (correction?.inference[deviceClass] ?? 1)).toPrecision(9)))),
          ]),
        ),
        certaintyEdges: Array.from(certaintyEdges(certainties), finite),
        accuracy: accuracyOf({ quality }),
        ...(output === undefined ? {} : { output }),
      },
    ]),
  );
}

/** JSON has no infinity. */
function finite(edge: number): number {
  return Number.isFinite(edge) ? edge : Math.sign(edge) * Number.MAX_VALUE;
}

/** The correction of runtimes that the plan assumes, which devices need to judge the times of their batches. */
export function planCorrection({ date, inference }: Correction, devices: readonly PlanDevice[]): GearPlan['correction'] {
  return { date, inference: Object.fromEntries(devices.map(({ id, deviceClass }) => [id, inference[deviceClass] ?? 1])) };
}
