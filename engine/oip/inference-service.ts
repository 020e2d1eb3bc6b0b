import type { ServiceDefinition } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import { INFERENCE_PROTO } from './inference-proto.ts';

const SERVICE = 'inference.GRPCInferenceService';

/** The definition of the service, for servers and clients. */
export function inferenceService(): ServiceDefinition {
  const found = fromJSON(INFERENCE_PROTO, { keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true })[
    SERVICE
  ];
  // Definitions of messages have a `format`; services do not.
  if (found === undefined || 'format' in found) throw new Error(`${SERVICE} is not defined`);
  return found as ServiceDefinition;
}
