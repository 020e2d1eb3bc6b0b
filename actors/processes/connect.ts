import type { Bus } from '../../engine/bus/bus.ts';
import { connectNats } from '../../engine/bus/nats-bus.ts';
import type { NatsOptions } from '../../engine/bus/nats-options.ts';
import type { NatsSettings } from '../../plans/deployment.ts';
import { fromEnvironment } from './from-environment.ts';

export function connectTo(
  servers: readonly string[],
  nats: NatsSettings,
  name: string,
  options: Pick<NatsOptions, 'log' | 'direct'> = {},
): Promise<Bus> {
  const { credsFile, nkeyFile, tls, replicas } = nats;
  return connectNats({
    servers,
    name,
    user: fromEnvironment('nats.user', nats.user),
    password: fromEnvironment('nats.password', nats.password),
    token: fromEnvironment('nats.token', nats.token),
    inboxPrefix: inboxPrefixOf(nats),
    credentialsFile: credsFile,
    nkeySeedFile: nkeyFile,
    replicas,
    ...(tls === undefined ? {} : { tls: { caFile: tls.ca, certFile: tls.cert, keyFile: tls.key } }),
    ...options,
  });
}

export function inboxPrefixOf(nats: NatsSettings): string | undefined {
  return fromEnvironment('nats.inboxPrefix', nats.inboxPrefix);
}
