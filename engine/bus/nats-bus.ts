import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import {
  type Authenticator,
  connect,
  createInbox,
  credsAuthenticator,
  DebugEvents,
  ErrorCode,
  Events,
  Match,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  headers as newHeaders,
  nkeyAuthenticator,
  type Status,
  type Subscription,
} from 'nats';
import { BehaviorSubject, distinctUntilChanged, Observable, Subject, type Subscriber } from 'rxjs';
import { realClock } from '../clock.ts';
import { CascadeError, ConfigError, messageOf } from '../errors.ts';
import { packageVersion } from '../process/package-info.ts';
import type { Bus, BusMessage, ListenOptions, PublishOptions } from './bus.ts';
import type { Loss } from './declarations.ts';
import { JetStream } from './jetstream.ts';
import type { KeyValueOptions, KeyValueStore } from './key-value.ts';
import { codeOf, connectFailure, refusal, requestFailure, unavailable } from './nats-errors.ts';
import { openNatsKeyValue } from './nats-key-value.ts';
import type { BusLog, NatsOptions } from './nats-options.ts';
import { natsWorkQueues } from './nats-work-queue.ts';
import { checkPublish, findHeader, STATUS_HEADER } from './publish-rules.ts';
import { parseServerUrls, shownServers } from './server-urls.ts';
import { versionWarning } from './server-version.ts';
import { SubjectTree } from './subject-tree.ts';
import { tlsOptionsOf } from './tls-options.ts';
import type { WorkQueues } from './work-queue.ts';

/** A server counts as lost after two unanswered pings. */
const PING_INTERVAL_MS = 5_000;
/** Short, so that clients return at once after a server restart; the jitter spreads them. */
const RECONNECT_WAIT_MS = 200;
const RECONNECT_JITTER_MS = 300;
const CLOSE_TIMEOUT_MS = 3_000;
const REPORTED_MAX = 100;

/**
 * Connects to NATS. Lost connections are re-established in the background, without limit; `status$` reports them.
 * @throws ConfigError when no server answers or accepts our credentials; it names the servers and what to do.
 */
export async function connectNats(options: NatsOptions): Promise<Bus> {
  const bus = await connectBus(options);
  const warning = versionWarning(bus.connection.info?.version, shownServers(serversOf(options)));
  if (warning !== undefined) options.log?.warn(warning);
  return bus;
}

function serversOf({ servers }: NatsOptions): readonly string[] {
  return typeof servers === 'string' ? [servers] : servers;
}

/** @throws ConfigError like `connectNats`, which also warns about an old server. */
export async function connectBus(options: NatsOptions): Promise<NatsBus> {
  const { servers, user, password, token } = parseServerUrls(serversOf(options));
  try {
    const connection = await connect({
      servers: [...servers],
      name: options.name,
      user: options.user ?? user,
      pass: options.password ?? password,
      token: options.token ?? token,
      authenticator: authenticatorOf(options),
      tls: options.tls && tlsOptionsOf(options.tls, servers),
      inboxPrefix: options.inboxPrefix,
      timeout: options.connectTimeoutMs ?? 5_000,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_WAIT_MS,
      reconnectJitter: RECONNECT_JITTER_MS,
      reconnectJitterTLS: RECONNECT_JITTER_MS,
      // Credentials are also refused while a server is being set up, so giving up would leave a process that never recovers.
      ignoreAuthErrorAbort: true,
      pingInterval: PING_INTERVAL_MS,
      noAsyncTraces: true,
    });
    return new NatsBus(connection, servers, options);
  } catch (error) {
    throw connectFailure(error, servers);
  }
}

export class NatsBus implements Bus {
  readonly connection: NatsConnection;
  readonly losses$ = new Subject<Loss>();
  /** By purpose: the work queues, or a bucket. */
  readonly #jetStreams = new Map<string, JetStream>();
  readonly #options: NatsOptions;
  readonly #servers: string;
  readonly #log: BusLog | undefined;
  readonly #replicas: number;
  /** Listeners on subjects that only this process listens to. */
  readonly #exclusive: SubjectTree<Subscriber<BusMessage>> | undefined;
  readonly #status$ = new BehaviorSubject<'up' | 'down'>('up');
  readonly status$ = this.#status$.pipe(distinctUntilChanged());
  readonly #announced = new Set<string>();
  readonly #flushes = new Set<() => void>();
  /** Complaints of the server since we connected. */
  readonly #reported = new Set<string>();
  /** The client forgets the server's limits while it reconnects. */
  #maxPayloadBytes: number;
  #closing: Promise<void> | undefined;

  constructor(connection: NatsConnection, servers: readonly string[], options: NatsOptions) {
    const { log, replicas, loopback } = options;
    this.connection = connection;
    this.#servers = servers.join(', ');
    this.#log = log;
    this.#replicas = replicas ?? 1;
    this.#exclusive = loopback ? new SubjectTree() : undefined;
    this.#maxPayloadBytes = connection.info?.max_payload ?? 1024 * 1024;
    this.#options = options;
    void this.#watch();
    void connection.closed().then((error) => {
      if (this.#closing === undefined) this.#log?.warn(`connection to NATS closed: ${messageOf(error ?? 'by the server')}`);
      this.#status$.next('down');
      this.#status$.complete();
      for (const abandon of this.#flushes) abandon();
    });
  }

  get maxPayloadBytes(): number {
    return this.#maxPayloadBytes;
  }

  publish(subject: string, data: Uint8Array, options?: PublishOptions): boolean {
    checkPublish(subject, options?.reply ?? '', data.length, this.#maxPayloadBytes);
    if (this.#status$.value === 'down') return false;
    const listeners = this.#exclusive?.match(subject) ?? [];
    if (listeners.length > 0) {
      deliverSoon(listeners, ownMessage(subject, data, options));
      return true;
    }
    try {
      if (options === undefined) this.connection.publish(subject, data);
      else this.connection.publish(subject, data, { reply: options.reply, headers: encodeHeaders(options.headers) });
      return true;
    } catch (error) {
      return this.#notPublished(error, subject, data, options);
    }
  }

  handOver(subject: string, value: object, encode: () => Uint8Array): boolean {
    if (this.#status$.value === 'down') return false;
    const listeners = this.#exclusive?.match(subject) ?? [];
    if (listeners.length > 0) deliverSoon(listeners, new HandedOver(subject, value, encode));
    return listeners.length > 0;
  }

  messages$(subject: string, options: ListenOptions = {}): Observable<BusMessage> {
    return new Observable((subscriber) => {
      let subscription: Subscription;
      try {
        subscription = this.connection.subscribe(subject, {
          queue: options.queue,
          callback: (error, message) => {
            if (error) subscriber.error(refusal(error, `subscribe to ${subject}`));
            else subscriber.next(new NatsMessage(message));
          },
        });
      } catch (error) {
        if (this.#isOver(error)) subscriber.complete();
        else subscriber.error(refusal(error, `subscribe to ${subject}`));
        return undefined;
      }
      // Resolves after the last delivery of a drain, or when the connection closes.
      void subscription.closed.then(() => subscriber.complete());
      const until = options.until?.subscribe(() => {
        if (!subscription.isClosed()) void subscription.drain().catch((error) => subscriber.error(unavailable(error)));
      });
      const removeExclusive = options.exclusive ? this.#exclusive?.add(subject, undefined, subscriber) : undefined;
      return () => {
        until?.unsubscribe();
        removeExclusive?.();
        if (!subscription.isClosed()) subscription.unsubscribe();
      };
    });
  }

  async request(
    subject: string,
    data: Uint8Array,
    options: { timeoutMs: number; headers?: Readonly<Record<string, string>> },
  ): Promise<BusMessage> {
    checkPublish(subject, '', data.length, this.#maxPayloadBytes);
    if (this.#status$.value === 'down') throw this.#down(subject);
    try {
      const headers = encodeHeaders(options.headers);
      return new NatsMessage(await this.connection.request(subject, data, { timeout: Math.max(1, options.timeoutMs), headers }));
    } catch (error) {
      throw requestFailure(error, subject, options.timeoutMs);
    }
  }

  async flush(): Promise<void> {
    if (this.#status$.value === 'down') throw this.#down('flush');
    // A flush that is pending when the connection closes would never settle on its own.
    let abandon: () => void = () => undefined;
    const closed = new Promise<never>((_, reject) => {
      abandon = () => reject(this.#down('flush'));
    });
    this.#flushes.add(abandon);
    try {
      await Promise.race([this.connection.flush(), closed]);
    } catch (error) {
      throw unavailable(error);
    } finally {
      this.#flushes.delete(abandon);
    }
  }

  async announce(service: { name: string; description: string; metadata?: Readonly<Record<string, string>> }): Promise<void> {
    // A restarted actor announces itself again.
    const key = JSON.stringify(service);
    if (this.#announced.has(key)) return;
    this.#announced.add(key);
    try {
      await this.connection.services.add({
        name: service.name.replace(/[^A-Za-z0-9_-]+/g, '-'),
        version: packageVersion(),
        description: service.description,
        metadata: { ...service.metadata },
      });
    } catch (error) {
      this.#announced.delete(key);
      throw unavailable(error);
    }
  }

  keyValue(bucket: string, options: KeyValueOptions = {}): Promise<KeyValueStore | undefined> {
    return openNatsKeyValue(this.#jetStream(`bucket ${bucket}`), bucket, { ...options, replicas: this.#replicas });
  }

  workQueues(): WorkQueues {
    return natsWorkQueues(this.#jetStream('work queues'), realClock, () => createInbox(this.#options.inboxPrefix));
  }

  #jetStream(purpose: string): JetStream {
    const known = this.#jetStreams.get(purpose);
    if (known !== undefined) return known;
    const jetStream = new JetStream(() => connectBus(forJetStream(this.#options, purpose)), this.#log, this.losses$);
    this.#jetStreams.set(purpose, jetStream);
    return jetStream;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#jetStreams.values()].map((jetStream) => jetStream.close()));
    const connection = this.connection;
    if (connection.isClosed()) return;
    if (this.#status$.value === 'up') {
      const timer = new AbortController();
      try {
        await Promise.race([connection.drain(), connection.closed(), setTimeout(CLOSE_TIMEOUT_MS, undefined, timer)]);
      } catch (error) {
        this.#log?.warn(`NATS connection could not be drained: ${messageOf(error)}`);
      } finally {
        timer.abort();
      }
    }
    await connection.close();
  }

  async #watch(): Promise<void> {
    try {
      for await (const status of this.connection.status()) this.#onStatus(status);
    } catch (error) {
      this.#log?.warn(`the status of the NATS connection is no longer available: ${messageOf(error)}`);
    }
  }

  #onStatus(status: Status): void {
    switch (status.type) {
      case Events.Disconnect:
      case DebugEvents.StaleConnection:
        if (this.#status$.value === 'up')
          this.#log?.warn(`connection to NATS (${status.data || this.#servers}) lost; reconnecting`);
        this.#status$.next('down');
        break;
      case Events.Reconnect:
        this.#maxPayloadBytes = this.connection.info?.max_payload ?? this.#maxPayloadBytes;
        this.#reported.clear();
        if (this.#status$.value === 'down') this.#log?.info(`connected to NATS again (${status.data})`);
        this.#status$.next('up');
        break;
      case Events.Error:
        this.#onServerError(status);
        break;
      default:
        break;
    }
  }

  #onServerError(status: Status): void {
    const refused = status.permissionContext;
    const problem =
      refused === undefined ? `NATS: ${status.data}` : `NATS refuses ${refused.operation} on "${refused.subject}" to this user`;
    // The same complaint repeats with each message, or with each attempt to connect.
    if (this.#reported.has(problem) || this.#reported.size >= REPORTED_MAX) return;
    this.#reported.add(problem);
    this.#log?.warn(problem);
  }

  #notPublished(error: unknown, subject: string, data: Uint8Array, options: PublishOptions | undefined): false {
    if (this.#isOver(error)) return false;
    if (codeOf(error) === ErrorCode.MaxPayloadExceeded) {
      const bytes = data.length + (encodeHeaders(options?.headers)?.toString().length ?? 0);
      checkPublish(subject, '', bytes, this.#maxPayloadBytes);
    }
    throw error;
  }

  #isOver(error: unknown): boolean {
    const code = codeOf(error);
    return code === ErrorCode.ConnectionClosed || code === ErrorCode.ConnectionDraining;
  }

  #down(what: string): CascadeError {
    return new CascadeError('UNAVAILABLE', `${what}: no connection to NATS (${this.#servers})`);
  }
}

function forJetStream({ name, log, ...options }: NatsOptions, purpose: string): NatsOptions {
  const said = (what: string): string => `JetStream, ${purpose}: ${what}`;
  return {
    ...options,
    name: name && `${name} (${purpose})`,
    loopback: false,
    log: log && { info: (message) => log.info(said(message)), warn: (message) => log.warn(said(message)) },
  };
}

/** Decodes subject and headers only when needed. */
class NatsMessage implements BusMessage {
  readonly #message: Msg;
  readonly data: Uint8Array;
  #headersProblem: string | undefined;

  constructor(message: Msg) {
    this.#message = message;
    // A Buffer's `slice` would not copy, contrary to what its type promises.
    const { buffer, byteOffset, byteLength } = message.data;
    this.data = new Uint8Array(buffer, byteOffset, byteLength);
  }

  get subject(): string {
    return this.#message.subject;
  }

  get reply(): string {
    return this.#message.reply ?? '';
  }

  header(name: string): string | undefined {
    const headers = this.#headers();
    if (headers === undefined) return undefined;
    if (name === STATUS_HEADER && headers.code > 0) return String(headers.code);
    return headers.get(name) || headers.get(name, Match.IgnoreCase) || undefined;
  }

  get headersProblem(): string | undefined {
    this.#headers();
    return this.#headersProblem;
  }

  /** The client library throws at headers that the server passes on, such as names with a space. */
  #headers(): MsgHdrs | undefined {
    if (this.#headersProblem !== undefined) return undefined;
    try {
      return this.#message.headers;
    } catch (error) {
      this.#headersProblem = messageOf(error);
      return undefined;
    }
  }
}

/** Asynchronous, like messages from the server. */
function deliverSoon(listeners: readonly Subscriber<BusMessage>[], message: BusMessage): void {
  realClock.soon(() => {
    for (const listener of listeners) listener.next(message);
  });
}

function ownMessage(subject: string, data: Uint8Array, { reply = '', headers }: PublishOptions = {}): BusMessage {
  return { subject, reply, data, header: (name) => findHeader(headers, name) };
}

/** A value from this process. */
class HandedOver implements BusMessage {
  readonly subject: string;
  readonly value: object;
  readonly reply = '';
  readonly #encode: () => Uint8Array;

  constructor(subject: string, value: object, encode: () => Uint8Array) {
    this.subject = subject;
    this.value = value;
    this.#encode = encode;
  }

  get data(): Uint8Array {
    return this.#encode();
  }

  header(): undefined {
    return undefined;
  }
}

function encodeHeaders(headers: Readonly<Record<string, string>> | undefined): MsgHdrs | undefined {
  if (headers === undefined) return undefined;
  const encoded = newHeaders();
  for (const name in headers) encoded.append(name, headers[name]);
  return encoded;
}

function authenticatorOf(options: NatsOptions): Authenticator | undefined {
  if (options.credentialsFile !== undefined) return credsAuthenticator(readSecret('credentialsFile', options.credentialsFile));
  if (options.nkeySeedFile !== undefined) {
    const seed = new TextDecoder().decode(readSecret('nkeySeedFile', options.nkeySeedFile)).trim();
    return nkeyAuthenticator(new TextEncoder().encode(seed));
  }
  return undefined;
}

function readSecret(field: string, path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new ConfigError(`nats.${field}: ${path} cannot be read: ${messageOf(error)}`);
  }
}
