import type { JetStreamClient, JetStreamManager, NatsConnection } from 'nats';
import { exhaustMap, firstValueFrom, from, merge, type Observable, type Subject, type Subscription } from 'rxjs';
import { every, realClock } from '../clock.ts';
import { CascadeError, messageOf } from '../errors.ts';
import type { Bus } from './bus.ts';
import { Declarations, describeLoss, type Loss } from './declarations.ts';
import { unavailable } from './nats-errors.ts';
import type { BusLog } from './nats-options.ts';
import { reconnected$ } from './reconnected.ts';

/** A connection only for JetStream, with the client library's interfaces to it. */
export interface JetStreamLink {
  readonly bus: Bus;
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly client: JetStreamClient;
}

/** How long the server may take for a request to its API. */
const API_TIMEOUT_MS = 5_000;
/** How often to check that everything declared still exists. */
const CHECK_INTERVAL_MS = 2_000;

/**
 * JetStream over its own connection, opened when first needed. A server that cannot write to its store may stop reading from the
 * connection that asked it to (seen with 2.9.10, until it is restarted); neither plain requests nor other stores should be stuck behind
 * that.
 */
export class JetStream {
  readonly #connect: () => Promise<Bus & { readonly connection: NatsConnection }>;
  readonly #log: BusLog | undefined;
  readonly declarations: Declarations;
  readonly losses$: Observable<Loss>;
  /** Whether the server has had JetStream: if it is gone, that is an outage. */
  wasThere = false;
  #link: Promise<JetStreamLink> | undefined;
  #closed = false;
  #checks: Subscription | undefined;
  #complaint = '';

  constructor(
    connect: () => Promise<Bus & { readonly connection: NatsConnection }>,
    log: BusLog | undefined,
    losses$: Subject<Loss>,
  ) {
    this.#connect = connect;
    this.#log = log;
    this.losses$ = losses$;
    this.declarations = new Declarations((loss) => {
      if (loss.byUs) log?.warn(describeLoss(loss));
      losses$.next(loss);
    });
  }

  /** @throws CascadeError UNAVAILABLE while there is no connection. */
  async open(): Promise<JetStreamLink> {
    if (this.#closed) throw new CascadeError('UNAVAILABLE', 'JetStream: the connection to NATS is closed');
    this.#link ??= this.#openLink();
    const link = await this.#link;
    if ((await firstValueFrom(link.bus.status$, { defaultValue: 'down' })) === 'down')
      throw new CascadeError('UNAVAILABLE', 'JetStream: no connection to NATS');
    return link;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const link = await this.#link?.catch(() => undefined);
    this.#checks?.unsubscribe();
    await link?.bus.close();
  }

  async #openLink(): Promise<JetStreamLink> {
    try {
      const bus = await this.#connect();
      const { connection } = bus;
      const options = { timeout: API_TIMEOUT_MS, checkAPI: false };
      const manager = await connection.jetstreamManager(options);
      this.#checks = merge(every(realClock, CHECK_INTERVAL_MS), reconnected$(bus))
        .pipe(exhaustMap(() => from(this.#check())))
        .subscribe();
      return { bus, connection, manager, client: connection.jetstream(options) };
    } catch (error) {
      this.#link = undefined;
      throw unavailable(error);
    }
  }

  async #check(): Promise<void> {
    try {
      await this.declarations.check();
      this.#complaint = '';
    } catch (error) {
      // Unreachable or full: users of the store report what they cannot do, and the next check comes soon.
      const complaint = messageOf(error);
      if (complaint !== this.#complaint && !this.#closed)
        this.#log?.warn(`JetStream declarations could not be checked: ${complaint}`);
      this.#complaint = complaint;
    }
  }
}
