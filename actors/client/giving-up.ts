import type { Bus } from '../../engine/bus/bus.ts';
import type { Clock } from '../../engine/clock.ts';
import { CANCEL_HEADER } from '../../plans/protocol/cancel.ts';
import { encode } from '../../plans/protocol/codec.ts';

const EVERYTHING = new Uint8Array(0);

/**
 * Tells a deployment which requests nobody waits for any more, so that it does not compute those that it has not begun. What is
 * given up in one turn of the event loop goes in one message per token. Nothing is lost where that is lost: the deadline ends them.
 */
export class GivingUp {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #subject: string;
  /** By token: ids; undefined: all that was sent with it. */
  readonly #ids = new Map<string, string[] | undefined>();
  #cancelTimer: (() => void) | undefined;

  constructor(bus: Bus, clock: Clock, subject: string) {
    this.#bus = bus;
    this.#clock = clock;
    this.#subject = subject;
  }

  /** @param id of a request that was sent with the token; undefined: nobody waits for any of them. */
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
