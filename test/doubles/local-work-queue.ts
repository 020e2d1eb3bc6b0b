import { Observable, type Subscriber } from 'rxjs';
import { SubjectTree } from '../../engine/bus/subject-tree.ts';
import type {
  AppendOptions,
  ConsumerSpec,
  Progress,
  QueuedMessage,
  Stored,
  StoreSpec,
  WorkQueues,
} from '../../engine/bus/work-queue.ts';
import type { Clock } from '../../engine/clock.ts';
import { CascadeError, ConfigError } from '../../engine/errors.ts';
import { receivedHeaders } from './received-headers.ts';

const DUPLICATE_WINDOW_MS = 120_000;

/**
 * In-memory work queues under any clock, for simulations: they outlive actors, but not the process. They store only what is appended,
 * not what is published on the subject of a store.
 * @param publish delivers a stored message to the subscribers of its subject.
 * @param aheadMs how far the clock of the store is ahead of ours.
 */
export function localWorkQueues(
  clock: Clock,
  publish: (subject: string, data: Uint8Array, headers: Readonly<Record<string, string>> | undefined) => void,
  aheadMs: () => number = () => 0,
): WorkQueues {
  const stores = new Map<string, LocalStore>();
  const bySubject = new SubjectTree<LocalStore>();
  const patterns = new Map<LocalStore, (() => void)[]>();
  const storeOf = (name: string): LocalStore => {
    const store = stores.get(name);
    if (store === undefined) throw new CascadeError('UNAVAILABLE', `store ${name} is not there`);
    return store;
  };
  return {
    declare: async (spec) => {
      const store = stores.get(spec.name) ?? new LocalStore(clock, spec, aheadMs);
      if (store.spec.type !== spec.type) throw new ConfigError(`store ${spec.name} is a ${store.spec.type}, not a ${spec.type}`);
      store.spec = spec;
      stores.set(spec.name, store);
      for (const forget of patterns.get(store) ?? []) forget();
      patterns.set(
        store,
        spec.subjects.map((pattern) => bySubject.add(pattern, undefined, store)),
      );
    },
    append: async (subject, data, options) => {
      const [store] = bySubject.match(subject);
      if (store === undefined) throw new CascadeError('NOT_FOUND', `nobody listens on ${subject}: nothing was stored`);
      const stored = store.append(subject, data, options);
      publish(subject, data, options.headers);
      return stored;
    },
    count: async (store) => storeOf(store).count,
    progress: async ({ store, name }) => storeOf(store).progress(name),
    take$: (consumer, { limit, until }) =>
      new Observable((subscriber) => {
        const store = storeOf(consumer.store);
        const taker: Taker = { consumer, limit, subscriber, held: new Set(), stopping: false };
        store.join(taker);
        const stop = until.subscribe(() => {
          taker.stopping = true;
          if (taker.held.size === 0) subscriber.complete();
        });
        return () => {
          stop.unsubscribe();
          store.leave(taker);
        };
      }),
  };
}

interface Entry {
  readonly sequence: number;
  readonly data: Uint8Array;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly storedAt: number;
  /** In the store's time. */
  readonly stampedAt: number;
  deliveries: number;
  /** `ready`: waiting to be taken. `unsettled`: taken, or waiting for another attempt. */
  state: 'ready' | 'unsettled';
}

interface Taker {
  readonly consumer: ConsumerSpec;
  readonly limit: number;
  readonly subscriber: Subscriber<QueuedMessage>;
  readonly held: Set<Entry>;
  stopping: boolean;
}

class LocalStore {
  spec: StoreSpec;
  readonly #clock: Clock;
  readonly #aheadMs: () => number;
  /** In order of sequence. */
  readonly #entries = new Map<number, Entry>();
  readonly #ids = new Map<string, { sequence: number; at: number }>();
  readonly #consumers = new Set<string>();
  #takers: Taker[] = [];
  #bytes = 0;
  #last = 0;
  #unsettled = 0;

  constructor(clock: Clock, spec: StoreSpec, aheadMs: () => number) {
    this.#clock = clock;
    this.#aheadMs = aheadMs;
    this.spec = spec;
  }

  append(subject: string, data: Uint8Array, { id, headers }: AppendOptions): Stored {
    const { name: stream, type, maxMessages, maxBytes } = this.spec;
    const now = this.#clock.now();
    const known = id === undefined ? undefined : this.#ids.get(id);
    if (known !== undefined && now - known.at < DUPLICATE_WINDOW_MS) return { stream, sequence: known.sequence, duplicate: true };
    this.#forgetOld(now);
    while (this.#entries.size >= maxMessages || this.#bytes + data.length > maxBytes) {
      const oldest = this.#entries.values().next().value;
      if (type === 'queue' || oldest === undefined)
        throw new CascadeError(
          'RESOURCE_EXHAUSTED',
          `${subject} was not stored: ${stream} is full; try again when others have been processed`,
        );
      this.#remove(oldest);
    }
    const sequence = ++this.#last;
    this.#entries.set(sequence, {
      sequence,
      data,
      headers,
      storedAt: now,
      stampedAt: now + this.#aheadMs(),
      deliveries: 0,
      state: 'ready',
    });
    this.#bytes += data.length;
    if (id !== undefined) this.#ids.set(id, { sequence, at: now });
    this.#clock.after(0, () => this.#deliver());
    return { stream, sequence, duplicate: false };
  }

  get count(): number {
    this.#forgetOld(this.#clock.now());
    return this.#entries.size;
  }

  progress(consumer: string): Progress {
    if (!this.#consumers.has(consumer))
      throw new CascadeError('UNAVAILABLE', `consumer ${consumer} of store ${this.spec.name} is not there`);
    const unsettled = [...this.#entries.values()].filter(({ state }) => state === 'unsettled');
    return {
      waiting: this.count - unsettled.length,
      unsettled: unsettled.length,
      redelivered: unsettled.filter(({ deliveries }) => deliveries > 1).length,
    };
  }

  join(taker: Taker): void {
    this.#consumers.add(taker.consumer.name);
    this.#takers.push(taker);
    this.#clock.after(0, () => this.#deliver());
  }

  leave(taker: Taker): void {
    this.#takers = this.#takers.filter((other) => other !== taker);
    for (const entry of taker.held) this.#readyAfter(entry, taker.consumer.ackWaitMs);
    taker.held.clear();
  }

  #deliver(): void {
    this.#forgetOld(this.#clock.now());
    for (const entry of this.#entries.values()) {
      if (entry.state !== 'ready') continue;
      const taker = this.#takers.find(({ stopping, held, limit }) => !stopping && held.size < limit);
      if (taker === undefined || this.#unsettled >= taker.consumer.maxUnsettled) return;
      // Takers take turns.
      this.#takers = [...this.#takers.filter((other) => other !== taker), taker];
      entry.state = 'unsettled';
      this.#unsettled++;
      entry.deliveries++;
      taker.held.add(entry);
      taker.subscriber.next(this.#messageOf(entry, taker));
    }
  }

  #messageOf(entry: Entry, taker: Taker): QueuedMessage {
    const settle = (act: () => void): void => {
      if (!taker.held.delete(entry)) return;
      act();
      if (taker.stopping && taker.held.size === 0) taker.subscriber.complete();
      this.#clock.after(0, () => this.#deliver());
    };
    const { sequence, stampedAt: storedAt, deliveries, data } = entry;
    return {
      stream: this.spec.name,
      sequence,
      storedAt,
      deliveries,
      data,
      ...receivedHeaders(entry.headers),
      ageMs: async () => Math.max(0, this.#clock.now() + this.#aheadMs() - storedAt),
      done: () => settle(() => this.#remove(entry)),
      retry: (delayMs) => settle(() => this.#readyAfter(entry, delayMs)),
      abandon: () => settle(() => this.#remove(entry)),
    };
  }

  #readyAfter(entry: Entry, delayMs: number): void {
    this.#clock.after(delayMs, () => {
      if (this.#entries.get(entry.sequence) !== entry) return;
      entry.state = 'ready';
      this.#unsettled--;
      this.#deliver();
    });
  }

  #forgetOld(now: number): void {
    for (const entry of this.#entries.values()) {
      if (now - entry.storedAt <= this.spec.maxAgeMs) break;
      this.#remove(entry);
    }
    for (const [id, { at }] of this.#ids) {
      if (now - at < DUPLICATE_WINDOW_MS) break;
      this.#ids.delete(id);
    }
  }

  #remove(entry: Entry): void {
    if (!this.#entries.delete(entry.sequence)) return;
    this.#bytes -= entry.data.length;
    if (entry.state === 'unsettled') this.#unsettled--;
  }
}
