import { CascadeError, ConfigError, invalid, messageOf } from '../errors.ts';
import type { Bus, BusMessage } from './bus.ts';
import type { AppendOptions, ConsumerSpec, Progress, Stored, StoreSpec } from './work-queue.ts';

/** JetStream's protocol, which is JSON on subjects of its own (NATS ADR-1), so that any connection will do. */

const API_TIMEOUT_MS = 5_000;
const NANOSECONDS_PER_MS = 1e6;
/** How long the server remembers message ids. */
const DUPLICATE_WINDOW_MS = 120_000;

/** The server's error codes that mean something to us. */
const NO_JETSTREAM: readonly number[] = [10039, 10076];
const STREAM_NOT_FOUND = 10059;
/** JetStream has no leader, or is not up yet. */
const NOT_NOW: readonly number[] = [10008, 10009];
const FULL: readonly number[] = [10023, 10028, 10047, 10077];
const TOO_LARGE = 10054;

interface ApiError {
  readonly code: number;
  readonly err_code?: number;
  readonly description?: string;
}

interface ApiAnswer {
  readonly error?: ApiError;
}

export async function declareStore(bus: Bus, spec: StoreSpec): Promise<void> {
  const known = await ask<{ config?: object }>(bus, `STREAM.INFO.${spec.name}`, '');
  const missing = known.error?.err_code === STREAM_NOT_FOUND;
  if (!missing) refuse(known, spec);
  const config = { ...known.config, ...streamConfig(spec) };
  refuse(await ask(bus, `STREAM.${missing ? 'CREATE' : 'UPDATE'}.${spec.name}`, JSON.stringify(config)), spec);
}

export async function declareConsumer(bus: Bus, { store, name, ackWaitMs, maxUnsettled }: ConsumerSpec): Promise<void> {
  const config = {
    durable_name: name,
    ack_policy: 'explicit',
    ack_wait: nanoseconds(ackWaitMs),
    max_ack_pending: maxUnsettled,
    // How often is enough is for the taker to say: the server would only stop delivering, and the message stay for ever.
    max_deliver: -1,
    deliver_policy: 'all',
    replay_policy: 'instant',
  };
  const request = JSON.stringify({ stream_name: store, config });
  const { error } = await ask(bus, `CONSUMER.DURABLE.CREATE.${store}.${name}`, request);
  if (error !== undefined) throw new CascadeError('UNAVAILABLE', `consumer ${name} of stream ${store}: ${describe(error)}`);
}

/**
 * Whether the stream holds messages that its consumer neither has to deliver yet nor waits for, which nobody will ever get. A server
 * that is killed may forget that it has removed a message and remember that it was acknowledged, or remember that it was
 * delivered and forget that it was not acknowledged (seen with 2.9.10).
 */
export async function hasStranded(bus: Bus, { store, name }: ConsumerSpec): Promise<boolean> {
  type Consumer = { delivered: { stream_seq: number }; num_ack_pending: number };
  // In this order: what is added in between is beyond `delivered`, and what is settled is no longer in the stream.
  const { delivered, num_ack_pending: unsettled } = await ask<Consumer>(bus, `CONSUMER.INFO.${store}.${name}`, '');
  const { state } = await ask<{ state: { messages: number; last_seq: number } }>(bus, `STREAM.INFO.${store}`, '');
  if (delivered === undefined || unsettled === undefined || state === undefined) return false;
  const undelivered = Math.max(0, state.last_seq - delivered.stream_seq);
  return state.messages > undelivered + unsettled;
}

/** Makes the consumer anew, so that it delivers all that is in the stream; what is under way is delivered again, too. */
export async function renewConsumer(bus: Bus, consumer: ConsumerSpec): Promise<void> {
  await ask(bus, `CONSUMER.DELETE.${consumer.store}.${consumer.name}`, '');
  await declareConsumer(bus, consumer);
}

export async function countStored(bus: Bus, store: string): Promise<number> {
  const { state, error } = await ask<{ state: { messages: number } }>(bus, `STREAM.INFO.${store}`, '');
  if (state !== undefined) return state.messages;
  throw new CascadeError('UNAVAILABLE', `stream ${store}: ${describe(error ?? { code: 0 })}`);
}

export async function progressOf(bus: Bus, { store, name }: ConsumerSpec): Promise<Progress> {
  type Info = { num_pending: number; num_ack_pending: number; num_redelivered: number };
  const info = await ask<Info>(bus, `CONSUMER.INFO.${store}.${name}`, '');
  const { num_pending: waiting, num_ack_pending: unsettled, num_redelivered: redelivered, error } = info;
  if (waiting !== undefined && unsettled !== undefined && redelivered !== undefined) return { waiting, unsettled, redelivered };
  throw new CascadeError('UNAVAILABLE', `consumer ${name} of stream ${store}: ${describe(error ?? { code: 0 })}`);
}

/**
 * The server's time: milliseconds since the Unix epoch. Servers before 2.10 do not tell it, but when they delivered last: to whoever
 * has just been given something this is as good.
 * @throws CascadeError UNAVAILABLE
 */
export async function serverTime(bus: Bus, { store, name }: ConsumerSpec): Promise<number> {
  type Info = { ts?: string; delivered: { last_active?: string } };
  const { ts, delivered, error } = await ask<Info>(bus, `CONSUMER.INFO.${store}.${name}`, '');
  const time = Date.parse(ts ?? delivered?.last_active ?? '');
  if (!Number.isNaN(time)) return time;
  const why = error === undefined ? 'the NATS server does not tell its time' : describe(error);
  throw new CascadeError('UNAVAILABLE', `consumer ${name} of stream ${store}: ${why}`);
}

export async function append(bus: Bus, subject: string, data: Uint8Array, options: AppendOptions): Promise<Stored> {
  const { id, headers, timeoutMs } = options;
  const answer = await bus
    .request(subject, data, { timeoutMs, headers: id === undefined ? headers : { ...headers, 'Nats-Msg-Id': id } })
    .catch((error) => {
      if (!(error instanceof CascadeError) || error.code !== 'UNAVAILABLE') throw error;
      throw new CascadeError('UNAVAILABLE', `${error.message}: nothing was stored; the subject needs a JetStream stream`);
    });
  const stored = parse<ApiAnswer & { stream: string; seq: number; duplicate?: boolean }>(answer, subject);
  if (stored.error === undefined) return { stream: stored.stream, sequence: stored.seq, duplicate: stored.duplicate === true };
  const { err_code: code = 0 } = stored.error;
  const why = `${subject} was not stored: ${describe(stored.error)}`;
  if (FULL.includes(code)) throw new CascadeError('RESOURCE_EXHAUSTED', `${why}; try again when others are done`);
  if (code === TOO_LARGE) throw invalid(why);
  throw new CascadeError('UNAVAILABLE', why);
}

/** Asks for the next messages; they come to `inbox`, and a status when there are none in time. */
export function pull(bus: Bus, { store, name }: ConsumerSpec, inbox: string, batch: number, expiresMs: number): boolean {
  const request = JSON.stringify({ batch, expires: nanoseconds(expiresMs) });
  return bus.publish(`$JS.API.CONSUMER.MSG.NEXT.${store}.${name}`, Buffer.from(request), { reply: inbox });
}

/** What to publish to the reply subject of a delivered message. */
export const SETTLE = {
  done: () => Buffer.from('+ACK'),
  retry: (delayMs: number) => Buffer.from(delayMs > 0 ? `-NAK {"delay": ${nanoseconds(delayMs)}}` : '-NAK'),
  abandon: () => Buffer.from('+TERM'),
  working: () => Buffer.from('+WPI'),
} as const;

/** Of a delivered message, by its reply subject. Times are milliseconds since the Unix epoch. */
export interface Delivery {
  readonly stream: string;
  readonly deliveries: number;
  readonly sequence: number;
  readonly storedAt: number;
}

/**
 * `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<consumer sequence>.<nanoseconds>.<pending>`; newer servers put domain
 * and account before the stream. Undefined for anything else.
 */
export function parseDelivery(reply: string): Delivery | undefined {
  const tokens = reply.split('.');
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK' || tokens.length < 9) return undefined;
  const [stream, , deliveries, sequence, , storedAt] = tokens.slice(tokens.length === 9 ? 2 : 4);
  return {
    stream,
    deliveries: Number(deliveries),
    sequence: Number(sequence),
    // Nanoseconds are more than a number holds exactly.
    storedAt: Number(BigInt(storedAt) / 1_000_000n),
  };
}

function streamConfig(spec: StoreSpec): object {
  const queue = spec.type === 'queue';
  return {
    name: spec.name,
    subjects: spec.subjects,
    retention: queue ? 'workqueue' : 'limits',
    discard: queue ? 'new' : 'old',
    max_msgs: spec.maxMessages,
    max_bytes: spec.maxBytes,
    max_age: Number.isFinite(spec.maxAgeMs) ? nanoseconds(spec.maxAgeMs) : 0,
    storage: spec.storage,
    num_replicas: spec.replicas,
    duplicate_window: nanoseconds(Math.min(DUPLICATE_WINDOW_MS, spec.maxAgeMs)),
  };
}

async function ask<T extends object>(bus: Bus, what: string, body: string): Promise<ApiAnswer & Partial<T>> {
  const subject = `$JS.API.${what}`;
  try {
    return parse(await bus.request(subject, Buffer.from(body), { timeoutMs: API_TIMEOUT_MS }), subject);
  } catch (error) {
    if (error instanceof CascadeError && error.message === `nobody listens on ${subject}`) throw noJetStream(error.message);
    throw error;
  }
}

function refuse({ error }: ApiAnswer, spec: StoreSpec): void {
  if (error === undefined) return;
  if (NO_JETSTREAM.includes(error.err_code ?? 0)) throw noJetStream(describe(error));
  if (NOT_NOW.includes(error.err_code ?? 0)) throw new CascadeError('UNAVAILABLE', `stream ${spec.name}: ${describe(error)}`);
  const asked = `${spec.storage} storage, ${spec.maxBytes} bytes, ${spec.replicas} replica(s)`;
  throw new ConfigError(`the NATS server refuses stream ${spec.name} (${asked}): ${describe(error)}`);
}

function noJetStream(reason: string): ConfigError {
  return new ConfigError(
    `the NATS server has no JetStream for this user (${reason}); start it with -js, or enable it for the account`,
  );
}

function describe({ description, code, err_code }: ApiError): string {
  return `${description ?? 'no reason given'} (NATS error ${err_code ?? code})`;
}

function parse<T>(message: BusMessage, subject: string): T {
  try {
    return JSON.parse(Buffer.from(message.data).toString()) as T;
  } catch (error) {
    throw new CascadeError('UNAVAILABLE', `${subject} was answered by something that is not JetStream: ${messageOf(error)}`);
  }
}

function nanoseconds(ms: number): number {
  return Math.round(ms * NANOSECONDS_PER_MS);
}
