import type { Clock } from '../../engine/clock.ts';
import type { Logger } from '../../engine/log.ts';
import type { Inference } from './inference.ts';
import type { RequestMemory } from './request-memory.ts';
import type { ServedModel } from './served-model.ts';
import type { Statistics } from './statistics.ts';

/** What the HTTP and gRPC servers of a gateway share. */
export interface GatewayContext {
  readonly model: ServedModel;
  readonly inference: Inference;
  readonly statistics: Statistics;
  readonly memory: RequestMemory;
  /** Why the deployment cannot serve now; undefined: it can. */
  readonly problem: () => string | undefined;
  /** While true, connections are closed after their current request. */
  readonly draining: () => boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

export const SERVER_NAME = 'cascadeserve';
/** Supported extensions of Triton, by Triton's names. */
export const EXTENSIONS: readonly string[] = ['binary_tensor_data', 'statistics', 'model_configuration'];
