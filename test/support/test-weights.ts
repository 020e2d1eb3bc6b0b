import { of } from 'rxjs';
import type { DeviceWeights, WeightsOf } from '../../actors/device/weights/device-weights.ts';
import type { RuntimeCurve } from '../../plans/domain/profile/profile.ts';
import { weightsOf } from './plans.ts';

/** The weights on a device in tests, per model of the plan. */
export interface TestWeights {
  readonly profiled?: readonly RuntimeCurve[];
  readonly certaintyEdges?: readonly Float64Array[];
  readonly accuracy?: readonly number[];
  readonly file$?: (model: string, key: string) => DeviceWeights['file$'];
}

/** Weights for test plans. The key of weights with a test plan's digest is the model's name; for others it is `model@digest`. */
export function testWeights(
  batchMs: (model: number, size: number) => number,
  { profiled, certaintyEdges, accuracy, file$ = (name, key) => of({ name, key, file: name }) }: TestWeights = {},
): WeightsOf {
  // As profiled before the test; later batch times do not change it.
  const curves = new Map<number, RuntimeCurve>();
  const curveOf = (model: number): RuntimeCurve => {
    const curve = curves.get(model) ?? { batch: [1, 8], ms: [batchMs(model, 1), batchMs(model, 8)] };
    curves.set(model, curve);
    return curve;
  };
  return ({ models, weights }) =>
    models.map((model, m) => {
      const { digest, memoryBytes } = weights[m] ?? weightsOf(model);
      const key = digest === weightsOf(model).digest ? model : `${model}@${digest}`;
      return {
        model,
        key,
        memoryBytes,
        profiled: profiled?.[m] ?? curveOf(m),
        certaintyEdges: certaintyEdges?.[m] ?? new Float64Array(),
        accuracy: accuracy?.[m] ?? 0.9,
        file$: file$(model, key),
      };
    });
}
