import type { Clock } from '../clock.ts';
import { Ring } from '../collections/ring.ts';
import type { Drops } from './drops.ts';

/** Most messages that may wait for one control actor: many seconds of the reports of a deployment with 100 devices. */
export const MAILBOX_SIZE = 10_000;
/** An actor that has handled this many messages within one slice yields to the event loop. */
export const MESSAGES_PER_SLICE = 500;
export const SLICE_MS = 10;

/**
 * Hands an actor its messages one at a time, in order of arrival, and at once while the actor is idle. Messages wait while the
 * actor handles another, and during a flood, so that a flood on one subject does not block the process. Messages that do not fit
 * are dropped and counted.
 */
export class Mailbox<Message> {
  readonly #handle: (message: Message) => void;
  readonly #clock: Clock;
  readonly #drops: Drops;
  readonly #size: number;
  readonly #waiting = new Ring<Message>();
  #busy = false;
  #sliceEndsAt = Number.NEGATIVE_INFINITY;
  #handledInSlice = 0;
  #cancelNextSlice: (() => void) | undefined;

  /** @param handle must not throw. */
  constructor(handle: (message: Message) => void, { clock, drops, size }: { clock: Clock; drops: Drops; size: number }) {
    this.#handle = handle;
    this.#clock = clock;
    this.#drops = drops;
    this.#size = size;
  }

  /** Adds a message, or drops it if the mailbox is full. */
  offer(message: Message): void {
    if (this.#waiting.length >= this.#size) this.#drops.count('mailbox full');
    else this.put(message);
  }

  /** Adds a message even if the mailbox is full: for sources that limit their own rate, and for outcomes that the core waits for. */
  put(message: Message): void {
    this.#waiting.push(message);
    this.#work();
  }

  close(): void {
    this.#cancelNextSlice?.();
    this.#busy = true;
  }

  #work(): void {
    if (this.#busy || this.#cancelNextSlice !== undefined) return;
    this.#busy = true;
    while (this.#waiting.length > 0) {
      if (!this.#isWithinSlice()) {
        this.#cancelNextSlice = this.#clock.after(SLICE_MS, () => {
          this.#cancelNextSlice = undefined;
          this.#work();
        });
        break;
      }
      this.#handle(this.#waiting.shift()!);
    }
    this.#busy = false;
  }

  #isWithinSlice(): boolean {
    const now = this.#clock.now();
    if (now >= this.#sliceEndsAt) {
      this.#sliceEndsAt = now + SLICE_MS;
      this.#handledInSlice = 0;
    }
    return this.#handledInSlice++ < MESSAGES_PER_SLICE;
  }
}
