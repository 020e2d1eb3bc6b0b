import type { Observable } from 'rxjs';
import type { Loss } from './declarations.ts';
import type { KeyValueOptions, KeyValueStore } from './key-value.ts';
import type { WorkQueues } from './work-queue.ts';

export interface BusMessage {
  readonly subject: string;
  /** Subject to answer on; empty when no answer is wanted. */
  readonly reply: string;
  /** Valid during the delivery only: a handler that keeps bytes must copy them. */
  readonly data: Uint8Array;
  /** By name, in any case. `Status` is '503' on the empty message that answers for a subject that nobody listens to. */
  header(name: string): string | undefined;
}

export interface PublishOptions {
  readonly reply?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ListenOptions {
  /** Members of the same queue group share the messages: each goes to one of them. */
  readonly queue?: string;
  /** When it emits, the subscription drains: no new messages are taken, those that arrived are delivered, then it completes. */
  readonly until?: Observable<unknown>;
  /**
   * Only this process listens to these subjects. Where the bus has `loopback`, what it publishes on them itself does not go through
   * the server.
   */
  readonly exclusive?: boolean;
}

/**
 * Publish/subscribe by subject: NATS, or in-process for simulations. Delivery is at most once; one publisher's messages
 * arrive at one subscriber in their order.
 */
export interface Bus {
  readonly maxPayloadBytes: number;
  /** 'up' while connected. Replays the present state to a new subscriber. */
  readonly status$: Observable<'up' | 'down'>;
  /** False when the message was dropped because there is no connection. The bytes must not be changed afterwards. */
  publish(subject: string, data: Uint8Array, options?: PublishOptions): boolean;
  /** Subscribes on subscription; a message's delivery is synchronous. Errors only for a refused subscription. */
  messages$(subject: string, options?: ListenOptions): Observable<BusMessage>;
  /**
   * Asks and waits for one answer.
   * @throws CascadeError UNAVAILABLE when nobody listens or there is no connection, DEADLINE_EXCEEDED after `timeoutMs`.
   */
  request(
    subject: string,
    data: Uint8Array,
    options: { timeoutMs: number; headers?: Readonly<Record<string, string>> },
  ): Promise<BusMessage>;
  /** Resolves when the server has processed all that was published and subscribed before. */
  flush(): Promise<void>;
  /** Announces an actor to the NATS services API (`nats micro ls`). */
  announce(service: { name: string; description: string; metadata?: Readonly<Record<string, string>> }): Promise<void>;
  /**
   * Opens a bucket of values that outlive this process; undefined where there is no such store (a server without JetStream).
   * @throws CascadeError UNAVAILABLE when it cannot be reached.
   */
  keyValue(bucket: string, options?: KeyValueOptions): Promise<KeyValueStore | undefined>;
  /** Messages that are kept until someone has dealt with them. */
  workQueues(): WorkQueues;
  /** What this process has declared and the server has lost; it is there again, and empty, when this emits. */
  readonly losses$: Observable<Loss>;
  /** Flushes and closes. */
  close(): Promise<void>;
}
