import { BehaviorSubject, distinctUntilChanged, NEVER, Observable, type Subscriber } from 'rxjs';
import type { Bus, BusMessage, ListenOptions, PublishOptions } from '../../../engine/bus/bus.ts';
import type { KeyValueOptions, KeyValueStore } from '../../../engine/bus/key-value.ts';
import { checkPublish, saysNobodyListens } from '../../../engine/bus/publish-rules.ts';
import { SubjectTree } from '../../../engine/bus/subject-tree.ts';
import type { WorkQueues } from '../../../engine/bus/work-queue.ts';
import { CascadeError } from '../../../engine/errors.ts';
import { receivedHeaders } from '../../doubles/received-headers.ts';
import type { Distance, FaultyNetwork, NetworkMessage, Session } from './faulty-network.ts';
import type { ProcessClock } from './process-clock.ts';

interface Subscription {
  readonly pattern: string;
  readonly queue: string | undefined;
  readonly subscriber: Subscriber<BusMessage>;
  /** Part of the process that listens. */
  readonly part: string;
}

interface Ping {
  readonly answered: () => void;
  readonly lost: () => void;
}

const MAX_PAYLOAD_BYTES = 1024 * 1024;
/** A key-value store that does not answer within this time is unreachable. */
const STORE_TIMEOUT_MS = 2_000;

/**
 * One process's connection to the simulated network: a Bus that behaves like ours on NATS, including when the
 * connection breaks, with methods to break it. It is always `loopback`, which only matters to processes
 * with several parts, each with its own view (`partBus`).
 */
export class FaultyBus implements Bus {
  readonly maxPayloadBytes = MAX_PAYLOAD_BYTES;
  readonly #status$ = new BehaviorSubject<'up' | 'down'>('up');
  readonly status$ = this.#status$.pipe(distinctUntilChanged());
  /** Buckets lost with a server are missed by their users. */
  readonly losses$ = NEVER;
  readonly #network: FaultyNetwork;
  readonly #process: string;
  readonly #clock: ProcessClock;
  readonly #distance: Distance;
  readonly #subscriptions = new Map<number, Subscription>();
  /** Numbers of the exclusive subscriptions. */
  readonly #exclusive = new SubjectTree<number>();
  readonly #pings = new Set<Ping>();
  #session: Session;
  #ids = 0;
  #closed = false;

  constructor(network: FaultyNetwork, process: string, clock: ProcessClock, distance: Distance) {
    this.#network = network;
    this.#process = process;
    this.#clock = clock;
    this.#distance = distance;
    this.#session = network.open(process, distance);
  }

  publish(subject: string, data: Uint8Array, { reply = '', headers }: PublishOptions = {}, part = this.#process): boolean {
    checkPublish(subject, reply, data.length + headerBytes(headers), this.maxPayloadBytes);
    const message: NetworkMessage = { subject, reply, data, ...receivedHeaders(headers) };
    const sent = !this.#closed && this.#status$.value === 'up';
    this.#network.watch.published(part, message, sent);
    if (!sent) return false;
    const exclusive = this.#exclusive.match(subject);
    if (exclusive.length > 0) {
      this.#receiveSoon(exclusive, message);
      return true;
    }
    if (!this.#session.toServer.send(() => this.#network.receive(message))) this.#network.watch.lost(this.#process, 1);
    return true;
  }

  handOver(subject: string, value: object, encode: () => Uint8Array, part = this.#process): boolean {
    const exclusive = this.#exclusive.match(subject);
    if (this.#isDown || exclusive.length === 0) return false;
    // Frozen, so that a part that modifies what it shares throws.
    const message: NetworkMessage = { subject, reply: '', data: encode(), header: () => undefined, value: frozen(value) };
    this.#network.watch.published(part, message, true);
    this.#receiveSoon(exclusive, message);
    return true;
  }

  #receiveSoon(exclusive: readonly number[], message: NetworkMessage): void {
    this.#clock.soon(() => {
      for (const id of exclusive) this.#receive(id, message);
    });
  }

  messages$(subject: string, options: ListenOptions = {}, part = this.#process): Observable<BusMessage> {
    return new Observable((subscriber) => {
      if (this.#closed) {
        subscriber.complete();
        return undefined;
      }
      const id = this.#ids++;
      const subscription: Subscription = { pattern: subject, queue: options.queue, subscriber, part };
      this.#subscriptions.set(id, subscription);
      this.#subscribe(id, subscription);
      const until = options.until?.subscribe(() => {
        const done = (): void => subscriber.complete();
        this.#unsubscribe(id);
        this.#ping({ answered: done, lost: done });
      });
      const removeExclusive = options.exclusive ? this.#exclusive.add(subject, undefined, id) : undefined;
      return () => {
        until?.unsubscribe();
        removeExclusive?.();
        this.#unsubscribe(id);
        this.#subscriptions.delete(id);
      };
    });
  }

  request(
    subject: string,
    data: Uint8Array,
    options: { timeoutMs: number; headers?: Readonly<Record<string, string>> },
  ): Promise<BusMessage> {
    if (this.#isDown) return Promise.reject(this.#unavailable(subject));
    return new Promise((resolve, reject) => {
      const inbox = `_INBOX.${this.#process}.request.${this.#ids++}`;
      const settle = (how: () => void): void => {
        cancel();
        answer.unsubscribe();
        this.#network.settled = true;
        how();
      };
      const answer = this.messages$(inbox).subscribe({
        next: (message) => {
          if (saysNobodyListens(message)) settle(() => reject(new CascadeError('UNAVAILABLE', `nobody listens on ${subject}`)));
          // The answer outlives its delivery.
          else {
            const kept = { ...message, data: message.data.slice() };
            settle(() => resolve(kept));
          }
        },
        complete: () => settle(() => reject(this.#unavailable(subject))),
      });
      const cancel = this.#clock.after(options.timeoutMs, () =>
        settle(() => reject(new CascadeError('DEADLINE_EXCEEDED', `no answer on ${subject} within ${options.timeoutMs} ms`))),
      );
      try {
        this.publish(subject, data, { reply: inbox, headers: options.headers });
      } catch (error) {
        settle(() => reject(error));
      }
    });
  }

  flush(): Promise<void> {
    return new Promise((resolve, reject) => this.#ping({ answered: resolve, lost: () => reject(this.#unavailable('flush')) }));
  }

  announce(): Promise<void> {
    return Promise.resolve();
  }

  async keyValue(bucket: string, options: KeyValueOptions = {}): Promise<KeyValueStore> {
    const opened = await this.#ask(async () => this.#network.bucket(bucket, options));
    const ask = <T>(act: () => Promise<T>): Promise<T> =>
      this.#ask(() => {
        // A bucket in memory is lost with the server it was opened on.
        if (this.#network.bucket(bucket, options) !== opened) throw new CascadeError('UNAVAILABLE', `no bucket ${bucket}`);
        return act();
      });
    return {
      get: (key) => ask(() => opened.get(key)),
      put: (key, value) => ask(() => opened.put(key, value)),
      create: (key, value) => ask(() => opened.create(key, value)),
      update: (key, value, revision) => ask(() => opened.update(key, value, revision)),
      delete: (key) => ask(() => opened.delete(key)),
    };
  }

  workQueues(): WorkQueues {
    throw new CascadeError('UNAVAILABLE', 'work queues are not simulated');
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    if (this.#status$.value === 'up') await this.flush().catch(() => undefined);
    this.#closed = true;
    const session = this.#session;
    session.toServer.send(() => this.#network.forget(session));
    this.#status$.next('down');
    this.#status$.complete();
    for (const { subscriber } of [...this.#subscriptions.values()]) subscriber.complete();
    this.#loseAll();
  }

  /**
   * The connection breaks: messages to us are lost, and all but the first share of those we sent. The process
   * notices after a while, and reconnects after another; the server keeps sending to us until it notices, too.
   */
  disconnect(how: { arriving: number; noticedMs: number; serverNoticesMs: number; downMs: number }): void {
    if (this.#session.isCut || this.#isDown) return;
    const session = this.#session;
    this.cut(how.arriving, how.serverNoticesMs);
    const whileBroken = (act: () => void) => () => this.#clock.deliver(() => this.#session === session && act());
    this.#network.clock.after(
      how.noticedMs,
      whileBroken(() => this.#goDown()),
    );
    this.#network.clock.after(
      how.noticedMs + how.downMs,
      whileBroken(() => this.#goUp()),
    );
  }

  /** The connection is gone for good, like the process. */
  cut(arriving: number, serverNoticesMs: number): void {
    const session = this.#session;
    session.isCut = true;
    this.#network.watch.lost(this.#process, session.toServer.cut(arriving) + session.toProcess.cut(0));
    this.#network.clock.after(serverNoticesMs, () => this.#network.forget(session));
  }

  /** A broken connection is restored at once. */
  heal(): void {
    if (!this.#session.isCut || this.#closed) return;
    this.#goDown();
    this.#goUp();
  }

  #goDown(): void {
    if (this.#isDown) return;
    this.#status$.next('down');
    this.#loseAll();
  }

  /** Subscriptions are restored before anyone is notified. */
  #goUp(): void {
    if (this.#closed) return;
    this.#session = this.#network.open(this.#process, this.#distance);
    for (const [id, subscription] of this.#subscriptions) this.#subscribe(id, subscription);
    this.#status$.next('up');
  }

  get #isDown(): boolean {
    return this.#closed || this.#status$.value === 'down';
  }

  #subscribe(id: number, { pattern, queue }: Subscription): void {
    const session = this.#session;
    session.toServer.send(() =>
      this.#network.subscribe(session, id, pattern, queue, (message) => this.#clock.deliver(() => this.#receive(id, message))),
    );
  }

  #unsubscribe(id: number): void {
    const session = this.#session;
    session.toServer.send(() => this.#network.unsubscribe(session, id));
  }

  #receive(id: number, message: NetworkMessage): void {
    const subscription = this.#subscriptions.get(id);
    if (subscription === undefined) return;
    this.#network.watch.delivered(subscription.part, message);
    // Like from a socket: at any offset in a larger buffer, which is reused after the delivery.
    const data = new Uint8Array(message.data.length + 1).subarray(1);
    data.set(message.data);
    const { subject, reply, header, headersProblem, value } = message;
    subscription.subscriber.next({ subject, reply, data, header, headersProblem, value });
    data.fill(0xc1);
  }

  #ping({ answered, lost }: Ping): void {
    this.#network.settled = true;
    if (this.#isDown) {
      lost();
      return;
    }
    const ping: Ping = { answered, lost };
    this.#pings.add(ping);
    const session = this.#session;
    session.toServer.send(() =>
      session.toProcess.send(() =>
        this.#clock.deliver(() => {
          if (!this.#pings.delete(ping)) return;
          this.#network.settled = true;
          ping.answered();
        }),
      ),
    );
  }

  #loseAll(): void {
    const lost = [...this.#pings];
    this.#network.settled = true;
    this.#pings.clear();
    for (const ping of lost) ping.lost();
  }

  /** Asks the server to do something: the answer comes back, or is lost, like any message. */
  #ask<T>(act: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const session = this.#session;
      const settle = (how: () => void): void => {
        cancel();
        this.#network.settled = true;
        how();
      };
      const cancel = this.#clock.after(STORE_TIMEOUT_MS, () => settle(() => reject(this.#unavailable('the store'))));
      const answer = (how: () => void): void => {
        session.toProcess.send(() => this.#clock.deliver(() => settle(how)));
      };
      session.toServer.send(() => {
        this.#network.settled = true;
        // The action itself happens now; only its promise settles later in this turn.
        new Promise<T>((done) => done(act())).then(
          (value) => answer(() => resolve(value)),
          (error) => answer(() => reject(error)),
        );
      });
    });
  }

  #unavailable(what: string): CascadeError {
    return new CascadeError('UNAVAILABLE', `${what}: no connection to NATS (simulated)`);
  }
}

/** Freezes a value and all that it holds, except bytes, which cannot be frozen. */
function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || Object.isFrozen(value)) return value;
  for (const part of Object.values(value)) frozen(part);
  return Object.freeze(value);
}

function headerBytes(headers: Readonly<Record<string, string>> | undefined): number {
  let bytes = 0;
  for (const name in headers) bytes += Buffer.byteLength(name) + Buffer.byteLength(headers[name]) + 4;
  return bytes === 0 ? 0 : bytes + 12;
}
