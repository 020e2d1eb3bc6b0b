/** How long after its deadline a request may still be answered by a replica before its frontend says DEADLINE_EXCEEDED. */
export const DEADLINE_GRACE_MS = 250;
/** A replica says nothing after this, so that its frontend, whom its note must reach first, does not say something else. */
export const REPLICA_GRACE_MS = DEADLINE_GRACE_MS - 100;

/**
 * Whether work that ends then is in vain (DESIGN §4): a request that its batch would answer too late is not computed; one that the
 * next model would is not sent on, and its answer so far stands.
 */
export function endsTooLate(endsAt: number, deadlineAt: number): boolean {
  return endsAt > deadlineAt;
}

/** Time of what waits in a queue, in batches as large as can be. */
export function queueMs(length: number, largestBatch: number, batchMs: (size: number) => number): number {
  if (length === 0) return 0;
  const rest = length % largestBatch;
  return Math.floor(length / largestBatch) * batchMs(largestBatch) + (rest === 0 ? 0 : batchMs(rest));
}
