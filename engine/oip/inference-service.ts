import type { ServiceDefinition } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import { INFERENCE_PROTO } from './inference-proto.ts';

const SERVICE = 'inference.GRPCInferenceService';

/** The service's definition: of whoever serves it, and of whoever asks it. */
export function inferenceService(): ServiceDefinition {
  const found = fromJSON(INFERENCE_PROTO, { keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true })[
    SERVICE
  ];
  // The other kinds of definitions are of messages, and have a format.
  if (found === undefined || 'format' in found) throw new Error(`${SERVICE} is not defined`);
  return found as ServiceDefinition;
}
