import { filter, map, type OperatorFunction, pipe } from 'rxjs';
import type { BusMessage } from '../bus/bus.ts';
import { MalformedMessage } from '../errors.ts';
import type { Logger } from '../log.ts';

/**
 * Counts the messages that an actor drops: a bad message must neither end the actor nor go unnoticed. Reasons are constant phrases
 * in the code, so there are only a few. The 1st, 10th, 100th and so on of each reason is logged.
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

  /** Returns what `read` returns. If it throws a MalformedMessage, counts that and returns undefined. */
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

/** Decodes messages from other actors. Drops and counts those that it cannot decode. */
export function decoded<T extends object>(decode: (data: Uint8Array) => T, drops: Drops): OperatorFunction<BusMessage, T> {
  return pipe(
    map(({ data }: BusMessage) => drops.unlessMalformed(() => decode(data))),
    filter((value) => value !== undefined),
  );
}
