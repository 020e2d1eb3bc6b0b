import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import type { NatsOptions } from '../../engine/bus/nats-options.ts';
import type { NatsSettings } from '../../plans/domain/deployment/deployment.ts';
import { fromEnvironment } from '../../plans/domain/deployment/from-environment.ts';

/** A role that cannot connect at its start ends `serve`, and a busy machine may need seconds for a handshake. */
export const ROLE_CONNECTS_WITHIN_MS = 20_000;

export function connectTo(
  servers: readonly string[],
  nats: NatsSettings,
  name: string,
  options: Pick<NatsOptions, 'log' | 'loopback' | 'user' | 'password' | 'inboxPrefix' | 'connectTimeoutMs'> = {},
): Promise<Bus> {
  return connectNats({ ...natsOptionsOf(servers, nats, name), ...options });
}

/** @throws ConfigError for environment variables that are not set. */
export function natsOptionsOf(servers: readonly string[], nats: NatsSettings, name: string): NatsOptions {
  const { credsFile, nkeyFile, tls, replicas } = nats;
  return {
    servers: servers.map((server) => fromEnvironment('nats.servers', server)),
    name,
    user: fromEnvironment('nats.user', nats.user),
    password: fromEnvironment('nats.password', nats.password),
    token: fromEnvironment('nats.token', nats.token),
    inboxPrefix: inboxPrefixOf(nats),
    credentialsFile: fromEnvironment('nats.credsFile', credsFile),
    nkeySeedFile: fromEnvironment('nats.nkeyFile', nkeyFile),
    replicas,
    ...(tls === undefined
      ? {}
      : {
          tls: {
            caFile: fromEnvironment('nats.tls.ca', tls.ca),
            certFile: fromEnvironment('nats.tls.cert', tls.cert),
            keyFile: fromEnvironment('nats.tls.key', tls.key),
          },
        }),
  };
}

export function inboxPrefixOf(nats: NatsSettings): string | undefined {
  return fromEnvironment('nats.inboxPrefix', nats.inboxPrefix);
}
