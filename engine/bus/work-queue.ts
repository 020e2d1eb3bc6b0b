import type { Observable } from 'rxjs';

/** Where messages are stored, and how many. Declaring it again updates the limits. */
export interface StoreSpec {
  /** Letters, digits, `_` and `-`. */
  readonly name: string;
  /** Messages published on these subjects are stored. */
  readonly subjects: readonly string[];
  /**
   * 'queue': a message stays until it is done, and messages that do not fit are refused. 'log': within the limits, the oldest messages
   * make room for the newest.
   */
  readonly type: 'queue' | 'log';
  readonly maxMessages: number;
  readonly maxBytes: number;
  /** Older messages are dropped; Infinity keeps them all. */
  readonly maxAgeMs: number;
  readonly storage: 'file' | 'memory';
  /** Number of servers in a cluster that keep a copy. */
  readonly replicas: number;
}

/** Consumers that share the messages of a queue: each message goes to one of them at a time. */
export interface ConsumerSpec {
  readonly store: string;
  readonly name: string;
  /** A message is delivered to another consumer after this long without a sign of life; live consumers send them: see `take$`. */
  readonly ackWaitMs: number;
  /** Messages taken but not settled, over all consumers, including those that wait for another attempt. */
  readonly maxUnsettled: number;
}

/** Where a message was stored. */
export interface Stored {
  readonly stream: string;
  readonly sequence: number;
  /** True when a message with this id was already there and nothing was added. */
  readonly duplicate: boolean;
}

export interface AppendOptions {
  /** A second message with the same id within two minutes is not stored. */
  readonly id?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

/** A message to process. Settle it once, with one of the three methods; if the settlement is lost, it is delivered again. */
export interface QueuedMessage {
  readonly stream: string;
  readonly sequence: number;
  /** By the server's clock, milliseconds since the Unix epoch: for display, not for comparison with our clock. */
  readonly storedAt: number;
  /** 1 on the first delivery. */
  readonly deliveries: number;
  /** Callers may keep it. */
  readonly data: Uint8Array;
  header(name: string): string | undefined;
  /** See `BusMessage`. */
  readonly headersProblem?: string | undefined;
  /**
   * Time since it was stored, independent of our clock.
   * @param readingMs maximum age of the last reading of the server's clock.
   * @throws CascadeError when the server cannot be asked.
   */
  ageMs(readingMs: number): Promise<number>;
  /** It has been processed and leaves the queue. */
  done(): void;
  /** Deliver it again, to any consumer, but not before `delayMs` from now. */
  retry(delayMs: number): void;
  /** It leaves the queue although it could not be processed. */
  abandon(): void;
}

/** Progress of a queue's consumers. */
export interface Progress {
  /** Not delivered yet. */
  readonly waiting: number;
  /** Delivered but not settled, including those that wait for another attempt. */
  readonly unsettled: number;
  /** Unsettled messages that were delivered more than once. */
  readonly redelivered: number;
}

/** Messages that the servers keep until they have been processed. Delivery is at least once, in no particular order. */
export interface WorkQueues {
  /**
   * Creates a store, or updates the limits of the existing one. A store that the server loses later is recreated: see `Bus.losses$`.
   * @throws ConfigError when the server has no JetStream, or cannot store what is requested; UNAVAILABLE when it cannot be reached.
   */
  declare(spec: StoreSpec): Promise<void>;
  /**
   * Stores a message; resolves when the server confirms it.
   * @throws CascadeError RESOURCE_EXHAUSTED when it does not fit, NOT_FOUND when no store has the subject, UNAVAILABLE when there is no
   *   connection, DEADLINE_EXCEEDED without a timely confirmation: it may or may not be stored, and may be sent again with the same id.
   */
  append(subject: string, data: Uint8Array, options: AppendOptions): Promise<Stored>;
  /** Number of messages in a store. @throws CascadeError UNAVAILABLE when it does not exist, or cannot be asked. */
  count(store: string): Promise<number>;
  /** @throws CascadeError UNAVAILABLE when nothing has been taken yet, or the server cannot be asked. */
  progress(consumer: ConsumerSpec): Promise<Progress>;
  /**
   * Takes messages from a queue, at most `limit` unsettled at once, and keeps them from being delivered to others until they are settled.
   * When `until` emits, it takes no more and completes when the last one is settled. Unsubscribing leaves unsettled messages to others,
   * after `ackWaitMs`. A consumer that the server loses is recreated; messages taken before a store was lost can no longer be settled.
   * Errors when the consumer cannot be created.
   */
  take$(
    consumer: ConsumerSpec,
    options: { readonly limit: number; readonly until: Observable<unknown> },
  ): Observable<QueuedMessage>;
}
