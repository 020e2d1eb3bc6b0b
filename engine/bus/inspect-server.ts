import { setImmediate } from 'node:timers/promises';
import { Events, type NatsConnection } from 'nats';
import { messageOf } from '../errors.ts';
import { describeApiError, hasNoJetStream } from './jetstream-api.ts';
import { connectBus, type NatsBus } from './nats-bus.ts';
import { apiErrorOf } from './nats-errors.ts';
import type { NatsOptions } from './nats-options.ts';
import { shownServers } from './server-urls.ts';
import { versionWarning } from './server-version.ts';

/** What a NATS server is and permits, determined before anything is served through it. */
export interface ServerInspection {
  readonly bus: NatsBus;
  readonly version: string;
  /** The version, if it is older than what we test. */
  readonly oldVersion: string | undefined;
  /** Whether our account has JetStream; `unknown` with the reason if we cannot tell. */
  readonly jetStream: { readonly type: 'on' } | { readonly type: 'off' | 'unknown'; readonly reason: string };
  /** Returns those of these actions, as `publish to x` or `subscribe to y`, that the server refuses to this user. It publishes empty messages. */
  refused(subjects: { readonly publish: readonly string[]; readonly subscribe: readonly string[] }): Promise<string[]>;
}

/** How long the server may take to report whether JetStream is available. */
const API_TIMEOUT_MS = 2_000;

/** @throws ConfigError when no server answers or accepts our credentials. */
export async function inspectServer(options: NatsOptions): Promise<ServerInspection> {
  const bus = await connectBus(options);
  const { connection } = bus;
  const version = connection.info?.version ?? 'unknown';
  const where = shownServers([options.servers].flat());
  return {
    bus,
    version,
    oldVersion: versionWarning(connection.info?.version, where),
    jetStream: await jetStreamOf(connection),
    refused: (subjects) => refusedOf(connection, subjects),
  };
}

async function jetStreamOf(connection: NatsConnection): Promise<ServerInspection['jetStream']> {
  try {
    const manager = await connection.jetstreamManager({ timeout: API_TIMEOUT_MS, checkAPI: false });
    await manager.getAccountInfo();
    return { type: 'on' };
  } catch (error) {
    const refused = apiErrorOf(error);
    const reason = refused === undefined ? messageOf(error) : describeApiError(refused);
    return { type: hasNoJetStream(error) ? 'off' : 'unknown', reason };
  }
}

async function refusedOf(
  connection: NatsConnection,
  { publish, subscribe }: { readonly publish: readonly string[]; readonly subscribe: readonly string[] },
): Promise<string[]> {
  const refused = new Set<string>();
  // Ends with the connection.
  const watching = (async () => {
    for await (const { type, permissionContext } of connection.status()) {
      if (type !== Events.Error || permissionContext === undefined) continue;
      const { operation, subject } = permissionContext;
      refused.add(`${operation === 'publish' ? 'publish to' : 'subscribe to'} ${subject}`);
    }
  })();
  const trying = (async () => {
    const subscriptions = subscribe.map((subject) => connection.subscribe(subject, { callback: () => undefined }));
    for (const subject of publish) connection.publish(subject);
    // The server reports any refusal before it answers this.
    await connection.flush();
    await setImmediate();
    for (const subscription of subscriptions) if (!subscription.isClosed()) subscription.unsubscribe();
  })();
  await Promise.race([watching, trying]);
  return [...refused];
}
