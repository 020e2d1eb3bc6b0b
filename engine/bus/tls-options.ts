import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import type { NatsOptions } from './nats-options.ts';

/**
 * The settings for the NATS client, which hands them to Node. The client does not tell Node the address of a server that is
 * named by its IP, and Node would check the certificate against `localhost`: it must be for one of the addresses that we
 * were told.
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
