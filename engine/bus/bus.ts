import type { Observable } from 'rxjs';
import type { Loss } from './declarations.ts';
import type { KeyValueOptions, KeyValueStore } from './key-value.ts';
import type { WorkQueues } from './work-queue.ts';

export interface BusMessage {
  readonly subject: string;
  /** Subject to answer on; empty when no answer is expected. */
  readonly reply: string;
  /** Valid only during delivery: handlers must copy the bytes to keep them. */
  readonly data: Uint8Array;
  /** What the sender gave to `handOver`; then `data` is encoded only when it is read. Handlers may keep it, but not modify it. */
  readonly value?: object | undefined;
  /** Case-insensitive. `Status` is '503' on the empty message that answers a request nobody listens to. */
  header(name: string): string | undefined;
  /** Why the headers cannot be read, in which case `header` finds none. NATS passes on whatever a client sends. */
  readonly headersProblem?: string | undefined;
}

export interface PublishOptions {
  readonly reply?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ListenOptions {
  /** Each message goes to one member of a queue group. */
  readonly queue?: string;
  /** When it emits, the subscription drains: it delivers the messages that have arrived, accepts no more, and completes. */
  readonly until?: Observable<unknown>;
  /**
   * Only this process listens to these subjects. A bus with `loopback` then delivers its own messages on them without the server.
   */
  readonly exclusive?: boolean;
}

/**
 * Publish/subscribe by subject: over NATS, or in-process for simulations. Delivery is at most once; messages from one publisher to one
 * subscriber arrive in order.
 */
export interface Bus {
  readonly maxPayloadBytes: number;
  /** 'up' while connected. Replays the current state to new subscribers. */
  readonly status$: Observable<'up' | 'down'>;
  /** False when the message was dropped because there is no connection. The bytes must not be modified afterwards. */
  publish(subject: string, data: Uint8Array, options?: PublishOptions): boolean;
  /**
   * Passes a value without encoding it to the `exclusive` listeners in this process. Nobody may modify it afterwards.
   * @returns false if there are none, or no connection: publish it instead.
   */
  handOver(subject: string, value: object, encode: () => Uint8Array): boolean;
  /** Subscribes when subscribed to; delivery is synchronous. Errors only when the server refuses the subscription. */
  messages$(subject: string, options?: ListenOptions): Observable<BusMessage>;
  /**
   * Sends a request and waits for one answer.
   * @throws CascadeError UNAVAILABLE when nobody listens or there is no connection, DEADLINE_EXCEEDED after `timeoutMs`.
   */
  request(
    subject: string,
    data: Uint8Array,
    options: { timeoutMs: number; headers?: Readonly<Record<string, string>> },
  ): Promise<BusMessage>;
  /** Resolves when the server has processed everything published and subscribed before. */
  flush(): Promise<void>;
  /** Announces an actor to the NATS services API (`nats micro ls`). */
  announce(service: { name: string; description: string; metadata?: Readonly<Record<string, string>> }): Promise<void>;
  /**
   * Opens a bucket of values that outlive this process; undefined when the server has no such store (no JetStream).
   * @throws CascadeError UNAVAILABLE when it cannot be reached.
   */
  keyValue(bucket: string, options?: KeyValueOptions): Promise<KeyValueStore | undefined>;
  /** Messages that are kept until they have been processed. */
  workQueues(): WorkQueues;
  /** Emits what this process had declared and the server lost, once it has been recreated, empty. */
  readonly losses$: Observable<Loss>;
  /** Flushes and closes. */
  close(): Promise<void>;
}
