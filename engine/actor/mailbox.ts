import type { Clock } from '../clock.ts';
import { Ring } from '../collections/ring.ts';
import type { Drops } from './drops.ts';

/** Messages that may wait for one control actor: many seconds of what a deployment of 100 devices tells. */
export const MAILBOX_SIZE = 10_000;
/** An actor that has handled this many messages within one slice lets the event loop turn to others before it goes on. */
export const MESSAGES_PER_SLICE = 500;
export const SLICE_MS = 10;

/**
 * Messages of one actor, handled one at a time and in the order in which they came: at once while the actor is idle. They wait
 * while it handles another, and during a flood, so that a flood on one subject does not stop the process. What does not fit is
 * dropped and counted.
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

  /** Drops the message where the mailbox is full. */
  offer(message: Message): void {
    if (this.#waiting.length >= this.#size) this.#drops.count('mailbox full');
    else this.put(message);
  }

  /** Takes the message in any case: for what comes by itself only so often, or is waited for by the core. */
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
      if (!this.#mayGoOn()) {
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

  #mayGoOn(): boolean {
    const now = this.#clock.now();
    if (now >= this.#sliceEndsAt) {
      this.#sliceEndsAt = now + SLICE_MS;
      this.#handledInSlice = 0;
    }
    return this.#handledInSlice++ < MESSAGES_PER_SLICE;
  }
}
