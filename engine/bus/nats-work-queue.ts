import { concat, defer, exhaustMap, from, ignoreElements, merge, Observable, type Subscriber, takeUntil } from 'rxjs';
import { type Clock, every } from '../clock.ts';
import { CascadeError, ConfigError } from '../errors.ts';
import type { Bus, BusMessage } from './bus.ts';
import {
  append,
  countStored,
  type Delivery,
  declareConsumer,
  declareStore,
  hasStranded,
  parseDelivery,
  progressOf,
  pull,
  renewConsumer,
  SETTLE,
  serverTime,
} from './jetstream-api.ts';
import { STATUS_HEADER } from './publish-rules.ts';
import { ServerClock } from './server-clock.ts';
import type { ConsumerSpec, QueuedMessage, WorkQueues } from './work-queue.ts';

/** How long the server keeps a pull that it cannot fill. */
const PULL_EXPIRES_MS = 5_000;
/** A pull of which nothing is heard by then is lost. */
const PULL_LOST_MS = PULL_EXPIRES_MS + 2_000;
/** After a pull that was refused for the moment (a new leader, a server that leaves). */
const REFUSED_PAUSE_MS = 500;
/** The next pull is for a good part of what fits, not for one message at a time. */
const PULL_SHARE = 1 / 4;
/** How often to look for messages that the server has forgotten to give to anyone. */
const STRANDED_CHECK_MS = 5_000;
/** An acknowledgement takes effect on consumer and stream one after the other; so much later it is over. */
const STRANDED_SURE_MS = 1_000;
/** Signs of life within the time after which a message would be given to another. */
const SIGNS_PER_ACK_WAIT = 3;

/**
 * Work queues of a NATS server with JetStream.
 * @param newInbox gives a subject of our own, another each time.
 */
export function natsWorkQueues(bus: Bus, clock: Clock, newInbox: () => string): WorkQueues {
  return {
    declare: (spec) => declareStore(bus, spec),
    append: (subject, data, options) => append(bus, subject, data, options),
    count: (store) => countStored(bus, store),
    progress: (consumer) => progressOf(bus, consumer),
    take$: (consumer, options) =>
      concat(
        defer(() => from(declareConsumer(bus, consumer))).pipe(ignoreElements()),
        merge(
          new Observable<QueuedMessage>((subscriber) =>
            new Puller(bus, clock, newInbox(), consumer, options.limit, subscriber).run(options.until),
          ),
          freeStranded$(bus, clock, consumer).pipe(takeUntil(options.until)),
        ),
      ),
  };
}

function freeStranded$(bus: Bus, clock: Clock, consumer: ConsumerSpec): Observable<never> {
  return every(clock, STRANDED_CHECK_MS).pipe(
    exhaustMap(() => from(freeStranded(bus, clock, consumer))),
    ignoreElements(),
  );
}

async function freeStranded(bus: Bus, clock: Clock, consumer: ConsumerSpec): Promise<void> {
  try {
    if (!(await hasStranded(bus, consumer))) return;
    await new Promise<void>((resolve) => clock.after(STRANDED_SURE_MS, resolve));
    if (await hasStranded(bus, consumer)) await renewConsumer(bus, consumer);
  } catch (error) {
    // Out of reach for the moment: the pulls tell if it stays so, and the next check is soon.
    if (!(error instanceof CascadeError || error instanceof ConfigError)) throw error;
  }
}

/** A message in our hands; when it is delivered again meanwhile, the newer delivery is the one to settle. */
interface Held {
  reply: string;
}

/**
 * One taker. It has one pull at a time with the server, for what fits; its messages and statuses come to an inbox.
 */
class Puller {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #inbox: string;
  readonly #consumer: ConsumerSpec;
  readonly #limit: number;
  readonly #subscriber: Subscriber<QueuedMessage>;
  readonly #held = new Map<number, Held>();
  readonly #serverClock: ServerClock;
  #pulls = 0;
  /** Pulls in a row that found no consumer: another taker may be making it anew. */
  #missing = 0;
  /** Messages that the present pull may still bring. */
  #open = 0;
  #up = false;
  #stopping = false;
  #drained = false;
  #cancelTimer: () => void = () => undefined;

  constructor(
    bus: Bus,
    clock: Clock,
    inbox: string,
    consumer: ConsumerSpec,
    limit: number,
    subscriber: Subscriber<QueuedMessage>,
  ) {
    this.#bus = bus;
    this.#clock = clock;
    this.#inbox = inbox;
    this.#consumer = consumer;
    this.#limit = limit;
    this.#subscriber = subscriber;
    this.#serverClock = new ServerClock(clock, () => serverTime(bus, consumer));
  }

  run(until: Observable<unknown>): () => void {
    const subscriptions = [
      // Emits before the inbox drains, as both are told by the same source in this order.
      until.subscribe(() => {
        this.#stopping = true;
      }),
      this.#bus.messages$(`${this.#inbox}.*`, { until }).subscribe({
        next: (message) => this.#onMessage(message),
        error: (error) => this.#subscriber.error(error),
        complete: () => {
          this.#stopping = true;
          this.#drained = true;
          this.#leaveWhenEmpty();
        },
      }),
      this.#bus.status$.subscribe((status) => this.#onStatus(status)),
      every(this.#clock, this.#consumer.ackWaitMs / SIGNS_PER_ACK_WAIT).subscribe(() => {
        for (const { reply } of this.#held.values()) this.#bus.publish(reply, SETTLE.working());
      }),
    ];
    return () => {
      this.#cancelTimer();
      for (const subscription of subscriptions) subscription.unsubscribe();
    };
  }

  /** The server forgets the pulls of a lost connection. */
  #onStatus(status: 'up' | 'down'): void {
    this.#up = status === 'up';
    this.#open = 0;
    this.#cancelTimer();
    this.#pull();
  }

  #pull(): void {
    const free = this.#limit - this.#held.size;
    if (this.#stopping || !this.#up || this.#open > 0 || free < this.#limit * PULL_SHARE) return;
    this.#cancelTimer();
    if (!pull(this.#bus, this.#consumer, `${this.#inbox}.${++this.#pulls}`, free, PULL_EXPIRES_MS)) return;
    this.#open = free;
    this.#pullAgainAfter(PULL_LOST_MS);
  }

  #pullAgainAfter(delayMs: number): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#clock.after(delayMs, () => {
      this.#open = 0;
      this.#pull();
    });
  }

  #onMessage(message: BusMessage): void {
    // Messages come under the subject that they were stored under; only statuses name the pull.
    if (message.subject.startsWith(`${this.#inbox}.`)) {
      if (message.subject === `${this.#inbox}.${this.#pulls}`) this.#onPullEnded(message.header(STATUS_HEADER));
      return;
    }
    const delivery = parseDelivery(message.reply);
    if (delivery === undefined) return;
    this.#missing = 0;
    this.#open = Math.max(0, this.#open - 1);
    const held = this.#held.get(delivery.sequence);
    if (held === undefined) this.#deliver(message, delivery);
    else held.reply = message.reply;
    this.#pull();
  }

  #onPullEnded(status: string | undefined): void {
    switch (status) {
      case '100':
        return;
      case '404':
      case '408':
        this.#missing = 0;
        this.#open = 0;
        this.#pull();
        return;
      case '503':
        if (++this.#missing === 1) {
          this.#pullAgainAfter(REFUSED_PAUSE_MS);
          return;
        }
        this.#subscriber.error(
          new CascadeError('UNAVAILABLE', `consumer ${this.#consumer.name} of stream ${this.#consumer.store} is not there`),
        );
        return;
      default:
        this.#pullAgainAfter(REFUSED_PAUSE_MS);
    }
  }

  #deliver(message: BusMessage, delivery: Delivery): void {
    const { sequence } = delivery;
    const held: Held = { reply: message.reply };
    this.#held.set(sequence, held);
    const settle = (how: Uint8Array): void => {
      if (this.#held.get(sequence) !== held) return;
      this.#held.delete(sequence);
      // A settlement that is lost with the connection means another delivery.
      this.#bus.publish(held.reply, how);
      this.#pull();
      this.#leaveWhenEmpty();
    };
    this.#subscriber.next({
      ...delivery,
      data: new Uint8Array(message.data),
      header: (name) => message.header(name),
      ageMs: (readingMs) => this.#serverClock.ageMs(delivery.storedAt, readingMs),
      done: () => settle(SETTLE.done()),
      retry: (delayMs) => settle(SETTLE.retry(delayMs)),
      abandon: () => settle(SETTLE.abandon()),
    });
  }

  #leaveWhenEmpty(): void {
    if (this.#drained && this.#held.size === 0) this.#subscriber.complete();
  }
}
