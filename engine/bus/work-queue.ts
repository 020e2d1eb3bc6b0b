import type { Observable } from 'rxjs';

/** Where messages are kept, and how many. Declaring it again changes its limits. */
export interface StoreSpec {
  /** Letters, digits, `_` and `-`. */
  readonly name: string;
  /** What is published on these subjects is stored. */
  readonly subjects: readonly string[];
  /**
   * 'queue': a message stays until it is done, and what does not fit is refused. 'log': messages stay within the limits, the
   * oldest make room for the newest.
   */
  readonly type: 'queue' | 'log';
  readonly maxMessages: number;
  readonly maxBytes: number;
  /** Older messages are dropped. Infinity: none are. */
  readonly maxAgeMs: number;
  readonly storage: 'file' | 'memory';
  /** Servers of a cluster that keep a copy. */
  readonly replicas: number;
}

/** Those who share the messages of a queue: each message goes to one of them at a time. */
export interface ConsumerSpec {
  readonly store: string;
  readonly name: string;
  /** A message whose taker is silent this long is given to another. Takers that live are not silent: see `take$`. */
  readonly ackWaitMs: number;
  /** Messages that are taken and not yet settled, over all takers, those that wait for another try included. */
  readonly maxUnsettled: number;
}

/** Where a message is kept. */
export interface Stored {
  readonly stream: string;
  readonly sequence: number;
  /** True when a message with this id was there already: nothing was added. */
  readonly duplicate: boolean;
}

export interface AppendOptions {
  /** A second message with the same id, soon after the first (two minutes), is not stored. */
  readonly id?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

/** A message to deal with. It is settled once, by one of the three methods; a settlement that is lost means another delivery. */
export interface QueuedMessage {
  readonly stream: string;
  readonly sequence: number;
  /** By the clock of the server, milliseconds since the Unix epoch: to be told, not to be compared with a clock of ours. */
  readonly storedAt: number;
  /** 1 when it is delivered for the first time. */
  readonly deliveries: number;
  /** May be kept. */
  readonly data: Uint8Array;
  header(name: string): string | undefined;
  /**
   * Time since it was stored, whatever our clock shows.
   * @param readingMs how old the last look at the server's clock may be.
   * @throws CascadeError when the server cannot be asked.
   */
  ageMs(readingMs: number): Promise<number>;
  /** It is dealt with and leaves the queue. */
  done(): void;
  /** It is delivered again, to whoever takes it, not before `delayMs` from now. */
  retry(delayMs: number): void;
  /** It leaves the queue although nobody could deal with it. */
  abandon(): void;
}

/** How far those who share a queue are. */
export interface Progress {
  /** Nobody has had them yet. */
  readonly waiting: number;
  /** Taken and not settled; those that wait for another try included. */
  readonly unsettled: number;
  /** Of the unsettled, those that were delivered more than once. */
  readonly redelivered: number;
}

/** Messages that the servers keep until someone has dealt with them. Delivery is at least once, in no promised order. */
export interface WorkQueues {
  /**
   * Makes a store, or gives the one that is there these limits. A store that the server loses later is made anew: see `Bus.losses$`.
   * @throws ConfigError when the server has no JetStream, or cannot keep what is asked for; UNAVAILABLE when it is out of reach.
   */
  declare(spec: StoreSpec): Promise<void>;
  /**
   * Stores a message; resolves when the server says that it has it.
   * @throws CascadeError RESOURCE_EXHAUSTED when it does not fit, NOT_FOUND when no store takes the subject, UNAVAILABLE when there is
   *   no connection, DEADLINE_EXCEEDED when nothing is heard in time: it may be stored or not, and the same id may be tried again.
   */
  append(subject: string, data: Uint8Array, options: AppendOptions): Promise<Stored>;
  /** Messages in a store. @throws CascadeError UNAVAILABLE when it is not there, or cannot be asked. */
  count(store: string): Promise<number>;
  /** @throws CascadeError UNAVAILABLE when nobody has taken anything yet, or the server cannot be asked. */
  progress(consumer: ConsumerSpec): Promise<Progress>;
  /**
   * Takes messages of a queue, at most `limit` unsettled at once, and keeps them from being given to others until they are
   * settled. When `until` emits, no more are taken, and it completes when the last is settled. Unsubscribing leaves the unsettled to
   * others, after `ackWaitMs`. A consumer that the server loses is made anew; what was taken before a store was lost can no longer be
   * settled. Errors when the consumer cannot be made.
   */
  take$(
    consumer: ConsumerSpec,
    options: { readonly limit: number; readonly until: Observable<unknown> },
  ): Observable<QueuedMessage>;
}
