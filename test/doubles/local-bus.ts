import { BehaviorSubject, distinctUntilChanged, NEVER, Observable, type Subscriber } from 'rxjs';
import type { Bus, BusMessage, ListenOptions, PublishOptions } from '../../engine/bus/bus.ts';
import type { KeyValueOptions, KeyValueStore } from '../../engine/bus/key-value.ts';
import { createLocalKeyValue } from '../../engine/bus/local-key-value.ts';
import { checkPublish, STATUS_HEADER, saysNobodyListens } from '../../engine/bus/publish-rules.ts';
import { SubjectTree } from '../../engine/bus/subject-tree.ts';
import type { WorkQueues } from '../../engine/bus/work-queue.ts';
import type { Clock } from '../../engine/clock.ts';
import { CascadeError } from '../../engine/errors.ts';
import type { Random } from '../../engine/random.ts';
import { localWorkQueues } from './local-work-queue.ts';
import { receivedHeaders } from './received-headers.ts';

export interface LocalBusOptions {
  /** Delay from publish to delivery. Default 0: in the next turn of the event loop. */
  readonly latencyMs?: number;
  /** Default: 1 MiB, like the NATS server. */
  readonly maxPayloadBytes?: number;
  /** How far the clock of its work queues is ahead of ours. Default: 0. */
  readonly storeAheadMs?: (() => number) | undefined;
  /** Chooses the member of a queue group; by default they take turns. */
  readonly random?: Random;
}

/**
 * A bus within the process, deterministic under a virtual clock: receivers are chosen when a message is published, and deliveries
 * happen in order of publication as callbacks of the clock. Bytes are passed on without a copy.
 */
export function createLocalBus(clock: Clock, options: LocalBusOptions = {}): Bus {
  return new LocalBus(clock, options);
}

interface Listener {
  readonly subscriber: Subscriber<BusMessage>;
  /** Messages published but not yet delivered; a drain waits for them. */
  underWay: number;
  draining: boolean;
}

class LocalBus implements Bus {
  readonly maxPayloadBytes: number;
  readonly #status$ = new BehaviorSubject<'up' | 'down'>('up');
  readonly status$ = this.#status$.pipe(distinctUntilChanged());
  /** Never emits: what is in memory is lost only with the process. */
  readonly losses$ = NEVER;
  readonly #clock: Clock;
  readonly #latencyMs: number;
  readonly #tree: SubjectTree<Listener>;
  readonly #listeners = new Set<Listener>();
  readonly #buckets = new Map<string, KeyValueStore>();
  readonly #workQueues: WorkQueues;
  #inboxes = 0;

  constructor(clock: Clock, { latencyMs = 0, maxPayloadBytes = 1024 * 1024, random, storeAheadMs }: LocalBusOptions) {
    this.#clock = clock;
    this.#latencyMs = latencyMs;
    this.maxPayloadBytes = maxPayloadBytes;
    this.#workQueues = localWorkQueues(
      clock,
      (subject, data, headers) => void this.publish(subject, data, { headers }),
      storeAheadMs,
    );
    this.#tree = new SubjectTree(random && ((n) => random.below(n)));
  }

  publish(subject: string, data: Uint8Array, { reply = '', headers }: PublishOptions = {}): boolean {
    checkPublish(subject, reply, data.length + encodedLength(headers), this.maxPayloadBytes);
    if (this.#status$.value === 'down') return false;
    if (!this.#send({ subject, reply, data, ...receivedHeaders(headers) }) && reply !== '') {
      this.#send({ subject: reply, reply: '', data: EMPTY, header: (name) => (name === STATUS_HEADER ? '503' : undefined) });
    }
    return true;
  }

  /** Not a bus with loopback: all messages take the same way. */
  handOver(): boolean {
    return false;
  }

  messages$(subject: string, options: ListenOptions = {}): Observable<BusMessage> {
    return new Observable((subscriber) => {
      if (this.#status$.value === 'down') {
        subscriber.complete();
        return undefined;
      }
      const listener: Listener = { subscriber, underWay: 0, draining: false };
      const remove = this.#tree.add(subject, options.queue, listener);
      this.#listeners.add(listener);
      const until = options.until?.subscribe(() => {
        remove();
        listener.draining = true;
        if (listener.underWay === 0) this.#clock.after(this.#latencyMs, () => subscriber.complete());
      });
      return () => {
        until?.unsubscribe();
        remove();
        this.#listeners.delete(listener);
      };
    });
  }

  request(
    subject: string,
    data: Uint8Array,
    options: { timeoutMs: number; headers?: Readonly<Record<string, string>> },
  ): Promise<BusMessage> {
    if (this.#status$.value === 'down') return Promise.reject(new CascadeError('UNAVAILABLE', `${subject}: the bus is closed`));
    return new Promise((resolve, reject) => {
      const inbox = `_INBOX.local.${this.#inboxes++}`;
      const answer = this.messages$(inbox).subscribe({
        next: (message) => {
          if (saysNobodyListens(message)) settle(() => reject(new CascadeError('UNAVAILABLE', `nobody listens on ${subject}`)));
          else settle(() => resolve(message));
        },
        complete: () => settle(() => reject(new CascadeError('UNAVAILABLE', `${subject}: the bus is closed`))),
      });
      const cancel = this.#clock.after(options.timeoutMs, () =>
        settle(() => reject(new CascadeError('DEADLINE_EXCEEDED', `no answer on ${subject} within ${options.timeoutMs} ms`))),
      );
      const settle = (how: () => void): void => {
        cancel();
        answer.unsubscribe();
        how();
      };
      try {
        this.publish(subject, data, { reply: inbox, headers: options.headers });
      } catch (error) {
        settle(() => reject(error));
      }
    });
  }

  flush(): Promise<void> {
    // There is nothing to flush: publishing and subscribing take effect at once.
    return this.#status$.value === 'up'
      ? Promise.resolve()
      : Promise.reject(new CascadeError('UNAVAILABLE', 'the bus is closed'));
  }

  announce(): Promise<void> {
    return Promise.resolve();
  }

  keyValue(bucket: string, options: KeyValueOptions = {}): Promise<KeyValueStore> {
    const store = this.#buckets.get(bucket) ?? createLocalKeyValue(this.#clock, options);
    this.#buckets.set(bucket, store);
    return Promise.resolve(store);
  }

  workQueues(): WorkQueues {
    return this.#workQueues;
  }

  close(): Promise<void> {
    this.#status$.next('down');
    this.#status$.complete();
    for (const listener of [...this.#listeners]) listener.subscriber.complete();
    return Promise.resolve();
  }

  /** @returns false if nobody listens. */
  #send(message: BusMessage): boolean {
    const listeners = this.#tree.match(message.subject);
    for (const listener of listeners) listener.underWay++;
    if (listeners.length > 0) this.#clock.after(this.#latencyMs, () => deliver(listeners, message));
    return listeners.length > 0;
  }
}

const EMPTY = new Uint8Array(0);

function deliver(listeners: readonly Listener[], message: BusMessage): void {
  for (const listener of listeners) {
    listener.subscriber.next(message);
    if (--listener.underWay === 0 && listener.draining) listener.subscriber.complete();
  }
}

/** Size of headers on the wire: `NATS/1.0`, one line per header, and an empty line. */
function encodedLength(headers: Readonly<Record<string, string>> | undefined): number {
  if (headers === undefined) return 0;
  let bytes = 12;
  for (const name in headers) bytes += Buffer.byteLength(name) + Buffer.byteLength(headers[name]) + 4;
  return bytes;
}
