import type { GearPlan } from '../../domain/gear-plan/gear-plan.ts';
import type { PlanDevice } from '../../domain/profile/batch-cost.ts';
import { accuracyOf, type Correction, mapTimes, type Profile } from '../../domain/profile/profile.ts';
import { plainCurve } from '../../domain/profile/runtime-curve-schema.ts';
import { certaintyEdges } from '../../drift/certainty-bins.ts';

/** What devices need of the profile, for the plan. Runtimes are those that were measured: what corrects them stands beside them. */
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

/** JSON knows no infinity. */
function finite(edge: number): number {
  return Number.isFinite(edge) ? edge : Math.sign(edge) * Number.MAX_VALUE;
}

/** What devices compare the times of their batches with: the plan counts with inference as it is served. */
export function planCorrection({ date, inference }: Correction, devices: readonly PlanDevice[]): GearPlan['correction'] {
  return { date, inference: Object.fromEntries(devices.map(({ id, deviceClass }) => [id, inference[deviceClass] ?? 1])) };
}
