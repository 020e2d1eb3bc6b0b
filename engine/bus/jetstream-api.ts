import {
  AckPolicy,
  type ConsumerConfig,
  DeliverPolicy,
  DiscardPolicy,
  nanos,
  headers as newHeaders,
  ReplayPolicy,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from 'nats';
import { CascadeError, ConfigError, invalid } from '../errors.ts';
import type { Declaration } from './declarations.ts';
import type { JetStreamLink } from './jetstream.ts';
import { type ApiError, apiErrorOf, codeOf, requestFailure, unavailable } from './nats-errors.ts';
import { checkPublish } from './publish-rules.ts';
import type { AppendOptions, ConsumerSpec, Progress, Stored, StoreSpec } from './work-queue.ts';

/** How long the server remembers message ids, for deduplication. */
const DUPLICATE_WINDOW_MS = 120_000;

/** Error codes of the server that we handle. */
const NO_JETSTREAM: readonly number[] = [10039, 10076];
const CONSUMER_NOT_FOUND = 10014;
const STREAM_NOT_FOUND = 10059;
/** JetStream has no leader, or is still starting. */
const NOT_NOW: readonly number[] = [10008, 10009];
const FULL: readonly number[] = [10023, 10028, 10047, 10077];
const TOO_LARGE = 10054;

export type Opening = () => Promise<JetStreamLink>;

export function streamDeclaration(open: Opening, spec: StoreSpec): Declaration {
  return {
    kind: 'stream',
    name: spec.name,
    declare: async () => {
      const { streams } = (await open()).manager;
      const config = streamConfig(spec);
      try {
        const known = await found(streams.info(spec.name));
        await (known === undefined ? streams.add(config) : streams.update(spec.name, config));
      } catch (error) {
        throw refusedStream(error, spec);
      }
    },
    madeAt: () => streamMadeAt(open, spec.name),
  };
}

export async function streamMadeAt(open: Opening, name: string): Promise<string | undefined> {
  const { manager } = await open();
  return reached(`stream ${name}`, async () => (await found(manager.streams.info(name)))?.created);
}

export function consumerDeclaration(open: Opening, spec: ConsumerSpec): Declaration {
  const { store, name } = spec;
  return {
    kind: 'consumer',
    name: `${store}.${name}`,
    declare: async () => {
      const { consumers } = (await open()).manager;
      await reached(`consumer ${name} of stream ${store}`, async () => {
        const config = consumerConfig(spec);
        const known = await foundConsumer(consumers.info(store, name));
        await (known === undefined ? consumers.add(store, config) : consumers.update(store, name, config));
      });
    },
    madeAt: async () => {
      const { manager } = await open();
      return reached(
        `consumer ${name} of stream ${store}`,
        async () => (await foundConsumer(manager.consumers.info(store, name)))?.created,
      );
    },
  };
}

/** The next check of the declarations recreates it; it then delivers everything in the stream. */
export async function deleteConsumer(open: Opening, { store, name }: ConsumerSpec): Promise<void> {
  const { manager } = await open();
  await reached(`consumer ${name} of stream ${store}`, () => foundConsumer(manager.consumers.delete(store, name)));
}

/**
 * Whether the stream holds messages that its consumer will never deliver, because it neither considers them pending nor waits for their
 * acknowledgement. A server that is killed may forget that it removed a message but remember that it was acknowledged, or remember that
 * it was delivered but forget that it was not acknowledged (seen with 2.9.10).
 */
export async function hasStranded(open: Opening, { store, name }: ConsumerSpec): Promise<boolean> {
  const { manager } = await open();
  return reached(`stream ${store}`, async () => {
    // The order matters: what is added in between is beyond `delivered`, and what is settled is no longer in the stream.
    const consumer = await foundConsumer(manager.consumers.info(store, name));
    const stream = await found(manager.streams.info(store));
    if (consumer === undefined || stream === undefined) return false;
    const undelivered = Math.max(0, stream.state.last_seq - consumer.delivered.stream_seq);
    return stream.state.messages > undelivered + consumer.num_ack_pending;
  });
}

export async function countStored(open: Opening, store: string): Promise<number> {
  const { manager } = await open();
  return reached(`stream ${store}`, async () => (await manager.streams.info(store)).state.messages);
}

export async function progressOf(open: Opening, { store, name }: ConsumerSpec): Promise<Progress> {
  const { manager } = await open();
  return reached(`consumer ${name} of stream ${store}`, async () => {
    const {
      num_pending: waiting,
      num_ack_pending: unsettled,
      num_redelivered: redelivered,
    } = await manager.consumers.info(store, name);
    return { waiting, unsettled, redelivered };
  });
}

/**
 * The server's time in milliseconds since the Unix epoch. Servers before 2.10 do not report it, but they do report their last delivery,
 * which is just as good for a process that has just received a message.
 * @throws CascadeError UNAVAILABLE
 */
export async function serverTime({ manager }: JetStreamLink, { store, name }: ConsumerSpec): Promise<number> {
  const what = `consumer ${name} of stream ${store}`;
  // The client library declares these fields differently.
  type Times = { readonly ts?: string; readonly delivered: { readonly last_active?: string } };
  const { ts, delivered } = (await reached(what, () => manager.consumers.info(store, name))) as unknown as Times;
  const time = Date.parse(ts ?? delivered.last_active ?? '');
  if (!Number.isNaN(time)) return time;
  throw new CascadeError('UNAVAILABLE', `${what}: the NATS server does not report its time`);
}

export async function append(open: Opening, subject: string, data: Uint8Array, options: AppendOptions): Promise<Stored> {
  const { client, bus } = await open();
  checkPublish(subject, '', data.length, bus.maxPayloadBytes);
  const headers = newHeaders();
  for (const [name, value] of Object.entries(options.headers ?? {})) headers.append(name, value);
  try {
    const { stream, seq, duplicate } = await client.publish(subject, data, {
      msgID: options.id,
      headers,
      timeout: options.timeoutMs,
    });
    return { stream, sequence: seq, duplicate };
  } catch (error) {
    throw notStored(error, subject, options.timeoutMs);
  }
}

function notStored(error: unknown, subject: string, timeoutMs: number): unknown {
  const refused = apiErrorOf(error);
  if (refused === undefined) {
    if (codeOf(error) !== '503') return requestFailure(error, subject, timeoutMs);
    return new CascadeError(
      'NOT_FOUND',
      `nobody listens on ${subject}: nothing was stored; the subject needs a JetStream stream`,
    );
  }
  const why = `${subject} was not stored: ${describeApiError(refused)}`;
  if (FULL.includes(refused.err_code))
    return new CascadeError('RESOURCE_EXHAUSTED', `${why}; try again when others have been processed`);
  return refused.err_code === TOO_LARGE ? invalid(why) : new CascadeError('UNAVAILABLE', why);
}

function streamConfig(spec: StoreSpec): Partial<StreamConfig> & { name: string } {
  const queue = spec.type === 'queue';
  return {
    name: spec.name,
    subjects: [...spec.subjects],
    retention: queue ? RetentionPolicy.Workqueue : RetentionPolicy.Limits,
    discard: queue ? DiscardPolicy.New : DiscardPolicy.Old,
    max_msgs: spec.maxMessages,
    max_bytes: spec.maxBytes,
    max_age: Number.isFinite(spec.maxAgeMs) ? nanos(spec.maxAgeMs) : 0,
    storage: spec.storage === 'file' ? StorageType.File : StorageType.Memory,
    num_replicas: spec.replicas,
    duplicate_window: nanos(Math.min(DUPLICATE_WINDOW_MS, spec.maxAgeMs)),
  };
}

function consumerConfig({ name, ackWaitMs, maxUnsettled }: ConsumerSpec): ConsumerConfig {
  return {
    durable_name: name,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(ackWaitMs),
    max_ack_pending: maxUnsettled,
    // Our consumers decide how often is enough; the server would just stop delivering and keep the message for ever.
    max_deliver: -1,
    deliver_policy: DeliverPolicy.All,
    replay_policy: ReplayPolicy.Instant,
  };
}

function refusedStream(error: unknown, spec: StoreSpec): unknown {
  const refused = apiErrorOf(error);
  if (hasNoJetStream(error)) return noJetStream(refused === undefined ? 'nobody listens on $JS.API' : describeApiError(refused));
  if (refused === undefined || NOT_NOW.includes(refused.err_code)) return unreached(error, `stream ${spec.name}`);
  const asked = `${spec.storage} storage, ${spec.maxBytes} bytes, ${spec.replicas} ${spec.replicas === 1 ? 'replica' : 'replicas'}`;
  return new ConfigError(`the NATS server refuses stream ${spec.name} (${asked}): ${describeApiError(refused)}`);
}

/** Whether the server says that JetStream is unavailable, for this account or altogether. */
export function hasNoJetStream(error: unknown): boolean {
  const refused = apiErrorOf(error);
  return refused === undefined ? codeOf(error) === '503' : NO_JETSTREAM.includes(refused.err_code);
}

function noJetStream(reason: string): ConfigError {
  return new ConfigError(
    `the NATS server has no JetStream for this user (${reason}); start it with -js, or enable it for the account`,
  );
}

/** Undefined for a stream that does not exist. */
function found<T>(asked: Promise<T>): Promise<T | undefined> {
  return orMissing(asked, [STREAM_NOT_FOUND]);
}

/** Undefined for a consumer that does not exist, or whose stream does not. */
function foundConsumer<T>(asked: Promise<T>): Promise<T | undefined> {
  return orMissing(asked, [CONSUMER_NOT_FOUND, STREAM_NOT_FOUND]);
}

async function orMissing<T>(asked: Promise<T>, missing: readonly number[]): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (missing.includes(apiErrorOf(error)?.err_code ?? 0)) return undefined;
    throw error;
  }
}

/** @throws CascadeError UNAVAILABLE for any error of the server. */
async function reached<T>(what: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw unreached(error, what);
  }
}

function unreached(error: unknown, what: string): CascadeError {
  const refused = apiErrorOf(error);
  return refused === undefined ? unavailable(error) : new CascadeError('UNAVAILABLE', `${what}: ${describeApiError(refused)}`);
}

export function describeApiError({ description, err_code }: ApiError): string {
  return `${description} (NATS error ${err_code})`;
}
