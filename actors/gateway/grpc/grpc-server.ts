import { ServerCredentials } from '@grpc/grpc-js';
import { ConfigError } from '../../../engine/errors.ts';
import { type HttpAddress, shownAddress } from '../../http/address.ts';
import { whyNot } from '../../http/listen.ts';
import type { GatewayContext } from '../gateway-context.ts';
import type { Listener } from '../listener.ts';
import { grpcServer } from './grpc-service.ts';

/** Starts the gRPC server. @throws ConfigError when it cannot listen on the address. */
export async function listenGrpc(context: GatewayContext, address: HttpAddress): Promise<Listener> {
  const { server, streams } = grpcServer(context);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(shownAddress(address), ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(new ConfigError(`--grpc ${shownAddress(address)}: ${whyNot(withCode(error))}`));
    });
  });
  return {
    url: `grpc://${shownAddress({ host: address.host, port })}`,
    close: (graceMs) =>
      new Promise((resolve) => {
        const cutOff = setTimeout(() => server.forceShutdown(), graceMs);
        server.tryShutdown(() => {
          clearTimeout(cutOff);
          resolve();
        });
        streams.drain();
      }),
  };
}

/** The library only reports the system error code in the message. */
function withCode(error: Error): Error & { code?: string } {
  const code = /\b(EADDRINUSE|EACCES|EADDRNOTAVAIL|ENOTFOUND)\b/.exec(error.message)?.[1];
  return code === undefined ? error : Object.assign(new Error(error.message), { code });
}
