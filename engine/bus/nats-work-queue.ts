import { nanos } from 'nats';
import {
  concat,
  defer,
  exhaustMap,
  filter,
  from,
  ignoreElements,
  merge,
  Observable,
  type Subscriber,
  switchMap,
  takeUntil,
} from 'rxjs';
import { type Clock, every } from '../clock.ts';
import { CascadeError, ConfigError } from '../errors.ts';
import type { Bus, BusMessage } from './bus.ts';
import type { Loss } from './declarations.ts';
import { type Delivery, parseDelivery, SETTLE } from './delivery.ts';
import type { JetStream, JetStreamLink } from './jetstream.ts';
import {
  append,
  consumerDeclaration,
  countStored,
  deleteConsumer,
  hasStranded,
  progressOf,
  serverTime,
  streamDeclaration,
} from './jetstream-api.ts';
import { STATUS_HEADER } from './publish-rules.ts';
import { ServerClock } from './server-clock.ts';
import type { ConsumerSpec, QueuedMessage, WorkQueues } from './work-queue.ts';

/** How long the server keeps a pull that it cannot fill. */
const PULL_EXPIRES_MS = 5_000;
/** A pull without any response by then is lost. */
const PULL_LOST_MS = PULL_EXPIRES_MS + 2_000;
/** Pause after a pull that was refused temporarily (a new leader, a server that is leaving). */
const REFUSED_PAUSE_MS = 500;
/** Pull a good part of what fits at once, not one message at a time. */
const PULL_SHARE = 1 / 4;
/** How often to look for messages that the server has forgotten to deliver. */
const STRANDED_CHECK_MS = 5_000;
/** An acknowledgement takes effect on consumer and stream one after the other; both have happened after this time. */
const STRANDED_SURE_MS = 1_000;
/** Progress signals within the time after which the server would deliver a message to another consumer. */
const SIGNS_PER_ACK_WAIT = 3;

/**
 * Work queues on a NATS server with JetStream.
 * @param newInbox returns a new subject of our own each time.
 */
export function natsWorkQueues(jetStream: JetStream, clock: Clock, newInbox: () => string): WorkQueues {
  const open = () => jetStream.open();
  return {
    declare: (spec) => jetStream.declarations.add(streamDeclaration(open, spec)),
    append: (subject, data, options) => append(open, subject, data, options),
    count: (store) => countStored(open, store),
    progress: (consumer) => progressOf(open, consumer),
    take$: (consumer, options) =>
      defer(() => from(open())).pipe(
        switchMap((link) =>
          concat(
            defer(() => from(jetStream.declarations.add(consumerDeclaration(open, consumer)))).pipe(ignoreElements()),
            merge(
              new Observable<QueuedMessage>((subscriber) =>
                new Puller(link, clock, newInbox(), consumer, options.limit, subscriber).run(options.until, jetStream.losses$),
              ),
              freeStranded$(jetStream, clock, consumer).pipe(takeUntil(options.until)),
            ),
          ),
        ),
      ),
  };
}

function freeStranded$(jetStream: JetStream, clock: Clock, consumer: ConsumerSpec): Observable<never> {
  return every(clock, STRANDED_CHECK_MS).pipe(
    exhaustMap(() => from(freeStranded(jetStream, clock, consumer))),
    ignoreElements(),
  );
}

/** Recreates the consumer, so that it delivers everything in the stream; messages in progress are delivered again too. */
async function freeStranded(jetStream: JetStream, clock: Clock, consumer: ConsumerSpec): Promise<void> {
  const open = () => jetStream.open();
  try {
    if (!(await hasStranded(open, consumer))) return;
    await new Promise<void>((resolve) => clock.after(STRANDED_SURE_MS, resolve));
    if (!(await hasStranded(open, consumer))) return;
    // The next check recreates it, even by another process if we die now.
    await deleteConsumer(open, consumer);
    await jetStream.declarations.check();
  } catch (error) {
    // Temporarily unreachable: the pulls report it if it lasts, and the next check comes soon.
    if (!(error instanceof CascadeError || error instanceof ConfigError)) throw error;
  }
}

/** A message that we hold. If it is delivered again meanwhile, the newer delivery must be settled. */
interface Held {
  reply: string;
}

/**
 * One consumer of a queue. It has one pull at a time at the server, for as much as fits; messages and statuses arrive at an inbox. We
 * cannot use the client library's consumer: it bounds what it has buffered while we bound what is not settled; our drain waits for
 * settlements; and it reports a lost consumer only to callers that ask in time.
 */
class Puller {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #inbox: string;
  readonly #consumer: ConsumerSpec;
  readonly #limit: number;
  readonly #subscriber: Subscriber<QueuedMessage>;
  /** By position and time, because a recreated stream counts from 1 again. */
  readonly #held = new Map<string, Held>();
  readonly #serverClock: ServerClock;
  #pulls = 0;
  /** Messages that the current pull may still bring. */
  #open = 0;
  #up = false;
  #stopping = false;
  #drained = false;
  #cancelTimer: () => void = () => undefined;

  constructor(
    link: JetStreamLink,
    clock: Clock,
    inbox: string,
    consumer: ConsumerSpec,
    limit: number,
    subscriber: Subscriber<QueuedMessage>,
  ) {
    this.#bus = link.bus;
    this.#clock = clock;
    this.#inbox = inbox;
    this.#consumer = consumer;
    this.#limit = limit;
    this.#subscriber = subscriber;
    this.#serverClock = new ServerClock(clock, () => serverTime(link, consumer));
  }

  run(until: Observable<unknown>, losses$: Observable<Loss>): () => void {
    const { store, name } = this.#consumer;
    const subscriptions = [
      // Emits before the inbox drains, because both listen to the same source in this order.
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
      losses$.pipe(filter((loss) => loss.kind === 'stream' && loss.name === store)).subscribe(() => {
        // A settlement would apply to another message, which has the same position in the new stream.
        this.#held.clear();
        this.#leaveWhenEmpty();
      }),
      losses$.pipe(filter((loss) => loss.kind === 'consumer' && loss.name === `${store}.${name}`)).subscribe(() => {
        this.#open = 0;
        this.#pull();
      }),
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
    const { store, name } = this.#consumer;
    const request = Buffer.from(JSON.stringify({ batch: free, expires: nanos(PULL_EXPIRES_MS) }));
    const reply = `${this.#inbox}.${++this.#pulls}`;
    if (!this.#bus.publish(`$JS.API.CONSUMER.MSG.NEXT.${store}.${name}`, request, { reply })) return;
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
    // Messages arrive with the subject they were stored under; only statuses name the pull.
    if (message.subject.startsWith(`${this.#inbox}.`)) {
      if (message.subject === `${this.#inbox}.${this.#pulls}`) this.#onPullEnded(message.header(STATUS_HEADER));
      return;
    }
    const delivery = parseDelivery(message.reply);
    if (delivery === undefined) return;
    this.#open = Math.max(0, this.#open - 1);
    const held = this.#held.get(placeOf(delivery));
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
        this.#open = 0;
        this.#pull();
        return;
      default:
        this.#pullAgainAfter(REFUSED_PAUSE_MS);
    }
  }

  #deliver(message: BusMessage, delivery: Delivery): void {
    const place = placeOf(delivery);
    const held: Held = { reply: message.reply };
    this.#held.set(place, held);
    const settle = (how: Uint8Array): void => {
      if (this.#held.get(place) !== held) return;
      this.#held.delete(place);
      // If the connection loses a settlement, the message is delivered again.
      this.#bus.publish(held.reply, how);
      this.#pull();
      this.#leaveWhenEmpty();
    };
    this.#subscriber.next({
      ...delivery,
      data: new Uint8Array(message.data),
      header: (name) => message.header(name),
      headersProblem: message.headersProblem,
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

function placeOf({ sequence, storedAt }: Delivery): string {
  return `${sequence}-${storedAt}`;
}
