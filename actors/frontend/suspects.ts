import type { Suspects } from '../../plans/protocol/control-messages.ts';
import type { InFlight } from './in-flight.ts';

/** How a frontend lost a device that had some of its requests. */
export interface Loss {
  /** It may have died of what it computed; otherwise it left, or lost its requests for another reason. */
  readonly died: boolean;
  /** What the device itself reported as the likely cause; undefined: nothing. */
  readonly reported: Suspects | undefined;
}

/**
 * Which requests on a lost device may have killed it; those are tried once more, alone. A device that hangs, or tries a request alone,
 * has reported which these are. If a device died without a report, they are the batch it ran, which contains the oldest of its requests,
 * and, as a batch may also contain younger ones, those that were already on a device that died.
 * @param entries on that device.
 * @param origin name of the frontend.
 * @param largestBatch most requests in a batch.
 */
export function suspectsOf(
  entries: readonly InFlight[],
  { died, reported }: Loss,
  origin: string,
  largestBatch: number,
): ReadonlySet<InFlight> {
  if (reported !== undefined) {
    const seqs = new Set(reported.flatMap((group) => (group.origin === origin ? group.seqs : [])));
    return new Set(entries.filter(({ item }) => seqs.has(item.seq)));
  }
  if (!died) return new Set();
  const oldest = entries.toSorted((a, b) => a.sentNumber - b.sentNumber).slice(0, largestBatch);
  return new Set([...oldest, ...entries.filter(({ deaths }) => deaths > 0)]);
}
