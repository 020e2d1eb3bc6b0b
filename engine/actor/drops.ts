import { filter, map, type OperatorFunction, pipe } from 'rxjs';
import type { BusMessage } from '../bus/bus.ts';
import { MalformedMessage } from '../errors.ts';
import type { Logger } from '../log.ts';

/**
 * Counts what an actor drops because there is nothing it could do with it, and nobody to tell: a bad message must neither end
 * the actor nor pass unseen. Reasons are phrases of the code, so that there are few; a log line comes with the 1st, the 10th,
 * the 100th of each.
 */
export class Drops {
  readonly #log: Pick<Logger, 'warn'>;
  readonly #counts = new Map<string, { count: number; logAt: number }>();

  constructor(log: Pick<Logger, 'warn'>) {
    this.#log = log;
  }

  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#counts].map(([reason, { count }]) => [reason, count]));
  }

  count(reason: string, example?: string): void {
    const entry = this.#counts.get(reason) ?? { count: 0, logAt: 1 };
    this.#counts.set(reason, entry);
    if (++entry.count < entry.logAt) return;
    entry.logAt *= 10;
    this.#log.warn({ reason, dropped: entry.count, ...(example === undefined ? {} : { example }) }, 'messages dropped');
  }

  /** What `read` returns; undefined, and counted, when it throws a MalformedMessage. */
  unlessMalformed<T extends object>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      this.count(error.reason, error.message);
      return undefined;
    }
  }
}

/** Decodes the messages of other actors; those that cannot be read are dropped and counted. */
export function decoded<T extends object>(decode: (data: Uint8Array) => T, drops: Drops): OperatorFunction<BusMessage, T> {
  return pipe(
    map(({ data }: BusMessage) => drops.unlessMalformed(() => decode(data))),
    filter((value) => value !== undefined),
  );
}
