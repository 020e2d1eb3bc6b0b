import type { Observable } from 'rxjs';
import type { ModelFile } from '../../../engine/backend/backend.ts';
import type { RuntimeCurve } from '../../../plans/domain/profile/profile.ts';
import type { CompiledPlan } from '../../../plans/policy/compiled-plan.ts';

/** The weights of a model in a plan, as run by one device. */
export interface DeviceWeights {
  readonly model: string;
  /** Their name in the backend: other weights of the model have another key. */
  readonly key: string;
  /** Memory used by a replica. */
  readonly memoryBytes: number;
  /** Inference times on devices of this kind. */
  readonly profiled: RuntimeCurve;
  /** Bins of the model's certainties (see certaintyEdges); none: they are not counted. */
  readonly certaintyEdges: ArrayLike<number>;
  /** See plan.weights. */
  readonly accuracy: number;
  /** What to load; errors with WeightsMissingError when it is unavailable here. */
  readonly file$: Observable<ModelFile>;
}

/** Per model: the weights that a plan names. */
export type WeightsOf = (plan: CompiledPlan) => readonly DeviceWeights[];
