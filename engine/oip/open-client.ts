import { grpcOipClient } from './grpc-client.ts';
import { httpOipClient } from './http-client.ts';
import type { OipClient, OipClientOptions } from './oip-client.ts';

/** A client for the protocol that the URL names; it connects on first use. */
export function openOipClient(options: OipClientOptions): OipClient {
  return options.url.startsWith('grpc') ? grpcOipClient(options) : httpOipClient(options);
}
