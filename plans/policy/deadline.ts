/** A deployment that says nothing else gives a request this many times the p95 of its SLO: later, nobody waits for the answer. */
const P95_PER_DEADLINE = 10;
/**
 * Shorter is no use, however fast the models: a device that dies is known to be lost after a second of silence, and its requests
 * should still be answered by another one; and a busy machine holds up any process for a moment.
 */
const SHORTEST_DEFAULT_MS = 1_500;
const LONGEST_DEFAULT_MS = 30_000;

/** Deadline of requests that name none, in a deployment that names none. @param p95Ms of the latency SLO, where there is one. */
export function defaultDeadlineMs(p95Ms: number | undefined): number {
  if (p95Ms === undefined) return LONGEST_DEFAULT_MS;
  return Math.min(LONGEST_DEFAULT_MS, Math.max(SHORTEST_DEFAULT_MS, P95_PER_DEADLINE * p95Ms));
}

/** How long after its deadline a request may still be answered by a replica before its frontend says DEADLINE_EXCEEDED. */
export const DEADLINE_GRACE_MS = 250;
/** A replica says nothing after this, so that its frontend, whom its note must reach first, does not say something else. */
export const REPLICA_GRACE_MS = DEADLINE_GRACE_MS - 100;

/**
 * Whether work that ends then is in vain: a request that its batch would answer too late is not computed; one that the
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
