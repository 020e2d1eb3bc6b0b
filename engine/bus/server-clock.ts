import type { Clock } from '../clock.ts';

/**
 * What the clock of a NATS server shows, without supposing that it agrees with ours, or that it is never set: it is read from time to
 * time, and our clock tells only how long ago that was.
 */
export class ServerClock {
  readonly #clock: Clock;
  readonly #read: () => Promise<number>;
  #reading: { readonly serverMs: number; readonly at: number } | undefined;
  #asking: Promise<void> | undefined;

  /** @param read asks the server for a time that is not later than its now: milliseconds since the Unix epoch. */
  constructor(clock: Clock, read: () => Promise<number>) {
    this.#clock = clock;
    this.#read = read;
  }

  /**
   * How long ago it was, by the server's clock, what has a time by it; rather too short, by the time that an answer takes.
   * @param readingMs how old the last reading of the clock may be.
   * @throws CascadeError when the server cannot be asked.
   */
  async ageMs(serverMs: number, readingMs: number): Promise<number> {
    if (this.#reading === undefined || this.#clock.now() - this.#reading.at >= readingMs) await this.#ask();
    const { serverMs: read, at } = this.#reading!;
    return Math.max(0, read + (this.#clock.now() - at) - serverMs);
  }

  /** One question at a time. */
  #ask(): Promise<void> {
    this.#asking ??= this.#read()
      .then((serverMs) => {
        this.#reading = { serverMs, at: this.#clock.now() };
      })
      .finally(() => {
        this.#asking = undefined;
      });
    return this.#asking;
  }
}
