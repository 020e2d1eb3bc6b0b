import { certaintyEdges } from '../drift/certainty-bins.ts';
import type { GearPlan } from '../gear-plan.ts';
import type { Profile, RuntimeCurve } from '../profile.ts';

/** What devices need of the profile, for the plan. Runtimes are those that were measured: what corrects them stands beside them. */
export function planWeights({ models, correction }: Pick<Profile, 'models' | 'correction'>): GearPlan['weights'] {
  return Object.fromEntries(
    models.map(({ name, digest, memoryBytes, runtimes, certainties }) => [
      name,
      {
        digest,
        memoryBytes,
        runtimes: Object.fromEntries(
          Object.entries(runtimes).map(([deviceClass, curve]) => [
            deviceClass,
            divided(curve, correction?.inference[deviceClass]),
          ]),
        ),
        certaintyEdges: Array.from(certaintyEdges(certainties), finite),
      },
    ]),
  );
}

function divided({ batch, ms }: RuntimeCurve, factor = 1): { batch: number[]; ms: number[] } {
  return { batch: [...batch], ms: ms.map((time) => Number((time / factor).toPrecision(9))) };
}

/** JSON knows no infinity. */
function finite(edge: number): number {
  return Number.isFinite(edge) ? edge : Math.sign(edge) * Number.MAX_VALUE;
}
