import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import { ConfigError, messageOf } from '../../engine/errors.ts';
import { type HttpAddress, shownAddress, shownHost } from './address.ts';

export interface HttpListener {
  /** With the actual port, if any free one was requested. */
  readonly url: string;
  /** Accepts no new connections; open ones have `graceMs` to finish. */
  close(graceMs?: number): Promise<void>;
}

const GRACE_MS = 1_000;

/**
 * Serves an application over HTTP.
 * @param what the option that requested it, for error messages.
 * @param first called before the application; returns true if it answers the request itself.
 * @throws ConfigError when the address cannot be listened on.
 */
export async function listenHttp(
  app: Pick<Hono, 'fetch'>,
  address: HttpAddress,
  what: string,
  first: (incoming: IncomingMessage, outgoing: ServerResponse) => boolean = () => false,
): Promise<HttpListener> {
  // The host name is for requests without `Host`, which HTTP/1.0 allows.
  const listener = getRequestListener(app.fetch, { hostname: shownHost(address.host) });
  const server = createServer((incoming, outgoing) => {
    if (!first(incoming, outgoing)) void listener(incoming, outgoing);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new ConfigError(`${what} ${shownAddress(address)}: ${whyNot(error)}`)));
    server.listen(address.port, address.host, resolve);
  });
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
  return {
    url: `http://${shownAddress({ host: address.host, port })}`,
    close: (graceMs = GRACE_MS) =>
      new Promise((resolve) => {
        const cutOff = setTimeout(() => server.closeAllConnections(), graceMs);
        server.close(() => {
          clearTimeout(cutOff);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

/** Why an address cannot be listened on, and what to do. */
export function whyNot(error: Error & { readonly code?: string }): string {
  switch (error.code) {
    case 'EADDRINUSE':
      return 'another process listens on this port; choose another one, or 0 for any free port';
    case 'EACCES':
      return 'this user may not listen on this port; choose one above 1023';
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return 'this machine has no such address; use one of its own, or 0.0.0.0 for all of them';
    default:
      return messageOf(error);
  }
}
