import type { Clock } from '../clock.ts';

/**
 * Measures time by a NATS server's clock without assuming that it agrees with ours or is never adjusted: we read it from time to time,
 * and use our clock only for the time since then.
 */
export class ServerClock {
  readonly #clock: Clock;
  readonly #read: () => Promise<number>;
  #reading: { readonly serverMs: number; readonly at: number } | undefined;
  #asking: Promise<void> | undefined;

  /** @param read asks the server for a time not later than its present: milliseconds since the Unix epoch. */
  constructor(clock: Clock, read: () => Promise<number>) {
    this.#clock = clock;
    this.#read = read;
  }

  /**
   * Age of a server timestamp by the server's clock; slightly too small, by the time that an answer takes.
   * @param readingMs maximum age of the last reading of the clock.
   * @throws CascadeError when the server cannot be asked.
   */
  async ageMs(serverMs: number, readingMs: number): Promise<number> {
    if (this.#reading === undefined || this.#clock.now() - this.#reading.at >= readingMs) await this.#ask();
    const { serverMs: read, at } = this.#reading!;
    return Math.max(0, read + (this.#clock.now() - at) - serverMs);
  }

  /** Only one request at a time. */
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
