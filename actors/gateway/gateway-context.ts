import type { Logger } from '../../engine/log.ts';
import type { Inference } from './inference.ts';
import type { ServedModel } from './served-model.ts';
import type { Statistics } from './statistics.ts';

/** What the ways in, HTTP and gRPC, tell and ask. */
export interface GatewayContext {
  readonly model: ServedModel;
  readonly inference: Inference;
  readonly statistics: Statistics;
  /** Why the deployment cannot be asked now; undefined: it can. */
  readonly problem: () => string | undefined;
  /** Connections are to be closed after their present request. */
  readonly draining: () => boolean;
  readonly log: Logger;
}

export const SERVER_NAME = 'cascadeserve';
/** Of Triton's extensions, by their names there. */
export const EXTENSIONS: readonly string[] = ['binary_tensor_data', 'statistics', 'model_configuration'];

/** A request is held in memory as a whole. */
export const MAX_REQUEST_BYTES = 64 * 1024 * 1024;
