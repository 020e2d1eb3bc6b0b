import type { BusMessage } from '../../../engine/bus/bus.ts';
import type { KeyValueOptions, KeyValueStore } from '../../../engine/bus/key-value.ts';
import { createLocalKeyValue } from '../../../engine/bus/local-key-value.ts';
import { STATUS_HEADER } from '../../../engine/bus/publish-rules.ts';
import { SubjectTree } from '../../../engine/bus/subject-tree.ts';
import type { Clock } from '../../../engine/clock.ts';
import type { Random } from '../../../engine/random.ts';
import { Link } from './link.ts';

/** A message on the simulated network. Its bytes never change. */
export interface NetworkMessage {
  readonly subject: string;
  readonly reply: string;
  readonly data: Uint8Array;
  readonly header: BusMessage['header'];
  readonly headersProblem?: BusMessage['headersProblem'];
  readonly value?: BusMessage['value'];
}

/** Events of the network. A process has one part with its own name, or several. */
export interface NetworkWatch {
  /** Part of a process published; `sent` is false if it knew that it had no connection. */
  published(part: string, message: NetworkMessage, sent: boolean): void;
  /** A message has reached the server, but may still be lost with it. */
  arrived(message: NetworkMessage): void;
  /** A message is handed to a subscription of part of a process, now. */
  delivered(part: string, message: NetworkMessage): void;
  /** The server passed a message on once more than it should have. */
  duplicated(message: NetworkMessage): void;
  /** This many messages to or from a process were lost with its connection. */
  lost(process: string, messages: number): void;
}

export interface NetworkOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly watch: NetworkWatch;
}

/** The delay between a process and the server; faults change it during a run. */
export interface Distance {
  baseMs: number;
  /** The mean of the extra, exponentially distributed delay. */
  jitterMs: number;
}

/** One connection as the server sees it. */
export interface Session {
  readonly process: string;
  readonly toServer: Link;
  readonly toProcess: Link;
  readonly removals: Map<number, () => void>;
  isCut: boolean;
  /** The server has noticed that the connection is gone. */
  isForgotten: boolean;
}

interface Listener {
  readonly session: Session;
  readonly receive: (message: NetworkMessage) => void;
}

/** A late copy of a request arrives within this time. */
const LATE_COPY_MS = 500;

/**
 * One NATS server and the connections to it. A message takes two FIFO links, so that the order between two
 * connections holds, but not between more. Who receives a message is decided when it reaches the server, as is what a
 * subscription may receive.
 */
export class FaultyNetwork {
  readonly clock: Clock;
  readonly watch: NetworkWatch;
  readonly #random: Random;
  readonly #tree: SubjectTree<Listener>;
  readonly #buckets = new Map<string, { readonly store: KeyValueStore; readonly lasts: boolean }>();
  /** A promise has been settled: code that waits for it runs before anything else. */
  settled = false;
  /** The probability that a delivery is duplicated, and for a message to a queue group, that a copy comes later. */
  duplication = 0;

  constructor({ clock, random, watch }: NetworkOptions) {
    this.clock = clock;
    this.watch = watch;
    this.#random = random.split('network');
    this.#tree = new SubjectTree((n) => this.#random.below(n));
  }

  open(process: string, distance: Distance): Session {
    const delayMs = (): number => distance.baseMs + this.#random.exponential(distance.jitterMs);
    return {
      process,
      toServer: new Link(this.clock, delayMs),
      toProcess: new Link(this.clock, delayMs),
      removals: new Map(),
      isCut: false,
      isForgotten: false,
    };
  }

  /** The server has lost a connection. */
  forget(session: Session): void {
    session.isForgotten = true;
    for (const remove of session.removals.values()) remove();
    session.removals.clear();
  }

  /** A subscription has reached the server. */
  subscribe(session: Session, id: number, pattern: string, queue: string | undefined, receive: Listener['receive']): void {
    if (session.isForgotten) return;
    session.removals.set(id, this.#tree.add(pattern, queue, { session, receive }));
  }

  unsubscribe(session: Session, id: number): void {
    session.removals.get(id)?.();
    session.removals.delete(id);
  }

  /** A bucket as the server has it now. */
  bucket(name: string, options: KeyValueOptions): KeyValueStore {
    let bucket = this.#buckets.get(name);
    if (bucket === undefined) {
      bucket = { store: createLocalKeyValue(this.clock, options), lasts: options.ttlMs === undefined };
      this.#buckets.set(name, bucket);
    }
    return bucket.store;
  }

  /** The server's memory is lost; its connections break by themselves. */
  restart(): void {
    for (const [name, { lasts }] of this.#buckets) if (!lasts) this.#buckets.delete(name);
  }

  /** A message has reached the server. */
  receive(message: NetworkMessage): void {
    this.watch.arrived(message);
    this.#route(message, true);
  }

  /** Passes a message on to its subscribers. */
  #route(message: NetworkMessage, mayRepeat: boolean): void {
    const listeners = this.#tree.match(message.subject);
    if (listeners.length === 0 && message.reply !== '') {
      this.#route({ subject: message.reply, reply: '', data: EMPTY, header: saysNobodyListens }, false);
      return;
    }
    for (const listener of listeners) {
      if (mayRepeat && this.#repeats()) {
        this.watch.duplicated(message);
        this.#pass(listener, message);
      }
      this.#pass(listener, message);
    }
    if (mayRepeat && message.reply !== '' && this.#repeats()) {
      this.watch.duplicated(message);
      this.clock.after(this.#random.below(LATE_COPY_MS), () => this.#route(message, false));
    }
  }

  #repeats(): boolean {
    return this.duplication > 0 && this.#random.next() < this.duplication;
  }

  #pass({ session, receive }: Listener, message: NetworkMessage): void {
    if (!session.toProcess.send(() => receive(message))) this.watch.lost(session.process, 1);
  }
}

const EMPTY = new Uint8Array(0);
const saysNobodyListens = (name: string): string | undefined => (name === STATUS_HEADER ? '503' : undefined);
