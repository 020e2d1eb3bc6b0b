import type { Bus } from '../../engine/bus/bus.ts';
import type { Clock } from '../../engine/clock.ts';
import { CANCEL_HEADER } from '../../plans/protocol/cancel.ts';
import { encode } from '../../plans/protocol/codec.ts';

const EVERYTHING = new Uint8Array(0);

/**
 * Tells a deployment which requests have been cancelled, so that it does not compute those it has not begun. Cancellations of one
 * event-loop turn share one message per token. A lost message does no harm, because the requests end at their deadline.
 */
export class CancellationSender {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #subject: string;
  /** Token -> ids; undefined means everything sent with the token. */
  readonly #ids = new Map<string, string[] | undefined>();
  #cancelTimer: (() => void) | undefined;

  constructor(bus: Bus, clock: Clock, subject: string) {
    this.#bus = bus;
    this.#clock = clock;
    this.#subject = subject;
  }

  /** @param id of a cancelled request that was sent with the token; undefined: all of them are cancelled. */
  add(token: string, id: string | undefined): void {
    const ids = this.#ids.get(token);
    if (id === undefined || (ids === undefined && this.#ids.has(token))) this.#ids.set(token, undefined);
    else if (ids === undefined) this.#ids.set(token, [id]);
    else ids.push(id);
    this.#cancelTimer ??= this.#clock.after(0, () => this.flush());
  }

  flush(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    for (const [token, ids] of this.#ids)
      this.#bus.publish(this.#subject, ids === undefined ? EVERYTHING : encode(ids), { headers: { [CANCEL_HEADER]: token } });
    this.#ids.clear();
  }
}
