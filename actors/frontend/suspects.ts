import type { Suspects } from '../../plans/protocol/control-messages.ts';
import type { InFlight } from './in-flight.ts';

/** How a frontend lost a device that had requests of its. */
export interface Loss {
  /** It may have died of what it computed; else it has left, or lost what it had for another reason. */
  readonly died: boolean;
  /** What the device itself said that it would die of; undefined: it said nothing. */
  readonly told: Suspects | undefined;
}

/**
 * Which of the requests that were on a lost device may have killed it: those are tried once more, alone. A device that hangs, or
 * tries a request alone, has said which these are. Of one that died without a word, they are the batch that it ran, which holds
 * the oldest of its requests; and, as a batch may also hold younger ones, those that were on a device that died before.
 * @param entries on that device.
 * @param origin name of the frontend.
 * @param largestBatch requests that a batch has at most.
 */
export function suspectsOf(
  entries: readonly InFlight[],
  { died, told }: Loss,
  origin: string,
  largestBatch: number,
): ReadonlySet<InFlight> {
  if (told !== undefined) {
    const seqs = new Set(told.flatMap((group) => (group.origin === origin ? group.seqs : [])));
    return new Set(entries.filter(({ item }) => seqs.has(item.seq)));
  }
  if (!died) return new Set();
  const oldest = entries.toSorted((a, b) => a.sentNumber - b.sentNumber).slice(0, largestBatch);
  return new Set([...oldest, ...entries.filter(({ deaths }) => deaths > 0)]);
}
