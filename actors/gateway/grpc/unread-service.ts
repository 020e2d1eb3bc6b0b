import type { ServiceDefinition } from '@grpc/grpc-js';
import { invalid, messageOf } from '../../../engine/errors.ts';
import { inferenceService } from '../../../engine/oip/inference-service.ts';
import { checkMessage } from './message-limits.ts';

/** The service, whose requests stay bytes until `read`, which may refuse them. (The library's own refusal is INTERNAL.) */
export interface UnreadService {
  readonly definition: ServiceDefinition;
  /** @throws CascadeError INVALID_ARGUMENT */
  read<Request>(method: string, bytes: Uint8Array): Request;
}

export function unreadService(): UnreadService {
  const service = inferenceService();
  const unread = Object.entries(service).map(([name, method]) => [
    name,
    { ...method, requestDeserialize: (bytes: Buffer) => bytes },
  ]);
  return {
    definition: Object.fromEntries(unread),
    read: <Request>(method: string, bytes: Uint8Array) => {
      checkMessage(bytes, method === 'ModelInfer' || method === 'ModelStreamInfer');
      try {
        return service[method].requestDeserialize(bytes as Buffer) as Request;
      } catch (error) {
        throw invalid(`the message is not a request of ${method}: ${messageOf(error)}`);
      }
    },
  };
}
