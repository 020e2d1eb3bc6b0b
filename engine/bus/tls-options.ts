import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import type { NatsOptions } from './nats-options.ts';

/**
 * Settings for the NATS client, which passes them to Node. For a server given by its IP address, the client does not pass the address,
 * and Node would check the certificate against `localhost`. We therefore require a certificate for one of the configured addresses.
 */
export function tlsOptionsOf(tls: NonNullable<NatsOptions['tls']>, servers: readonly string[]) {
  const addresses = servers.map(hostOf).filter((host) => isIP(host) !== 0);
  return {
    ...tls,
    checkServerIdentity(host: string, certificate: PeerCertificate): Error | undefined {
      const mismatch = checkServerIdentity(host, certificate);
      if (mismatch === undefined || host !== 'localhost') return mismatch;
      return addresses.some((address) => checkServerIdentity(address, certificate) === undefined) ? undefined : mismatch;
    },
  };
}

function hostOf(server: string): string {
  const url = server.includes('://') ? server : `nats://${server}`;
  return URL.canParse(url) ? new URL(url).hostname.replace(/^\[|\]$/g, '') : server;
}
