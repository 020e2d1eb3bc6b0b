import { ConfigError } from '../../engine/errors.ts';
import { MAX_REQUESTS, MAX_SECONDS, type Trace } from './trace.ts';

/** Counts requests per second, starting with the second of the earliest one. They may come in any order. */
export class ArrivalCounts {
  readonly #file: string;
  #seconds = new Float64Array(4_096);
  #count = 0;
  #first = { seconds: Number.POSITIVE_INFINITY, line: 0 };
  #last = { seconds: Number.NEGATIVE_INFINITY, line: 0 };

  /** @param file what to call it in messages. */
  constructor(file: string) {
    this.#file = file;
  }

  /** @param seconds on any clock, as long as it is always the same one. */
  add(seconds: number, line: number): void {
    if (this.#count === MAX_REQUESTS)
      throw new ConfigError(`${this.#file}:${line}: more than ${MAX_REQUESTS} requests; import a part of the file`);
    if (this.#count === this.#seconds.length) {
      const larger = new Float64Array(2 * this.#count);
      larger.set(this.#seconds);
      this.#seconds = larger;
    }
    this.#seconds[this.#count++] = seconds;
    if (seconds < this.#first.seconds) this.#first = { seconds, line };
    if (seconds > this.#last.seconds) this.#last = { seconds, line };
  }

  /** @returns undefined when there were no requests. */
  trace(): Trace | undefined {
    if (this.#count === 0) return undefined;
    const [first, last] = [this.#first, this.#last];
    const length = Math.floor(last.seconds - first.seconds) + 1;
    if (length > MAX_SECONDS)
      throw new ConfigError(
        `${this.#file}:${last.line}: ${Math.floor(length / 86_400)} days after line ${first.line}; a trace has at most ` +
          `${MAX_SECONDS / 86_400} days: check the unit of the time stamps, or import a part of the file`,
      );
    const qps = new Float64Array(length);
    for (let i = 0; i < this.#count; i++) qps[Math.floor(this.#seconds[i] - first.seconds)]++;
    return { qps };
  }
}
