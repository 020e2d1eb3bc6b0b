/** Default deadline as a multiple of the SLO's p95: after that, nobody waits for the answer. */
const P95_PER_DEADLINE = 10;
/**
 * A shorter deadline makes no sense, however fast the models are. It takes a second of silence to detect a dead device, and another
 * device should still be able to answer its requests; also, a busy machine stalls any process now and then.
 */
const SHORTEST_DEFAULT_MS = 1_500;
const LONGEST_DEFAULT_MS = 30_000;

/** Deadline of requests that name none, in a deployment that names none. @param p95Ms of the latency SLO, if there is one. */
export function defaultDeadlineMs(p95Ms: number | undefined): number {
  if (p95Ms === undefined) return LONGEST_DEFAULT_MS;
  return Math.min(LONGEST_DEFAULT_MS, Math.max(SHORTEST_DEFAULT_MS, P95_PER_DEADLINE * p95Ms));
}

/** For how long after its deadline a replica may still answer a request before its frontend says DEADLINE_EXCEEDED. */
export const DEADLINE_GRACE_MS = 250;
/** After this, a replica stays silent: its note must reach the frontend before the frontend answers something else. */
export const REPLICA_GRACE_MS = DEADLINE_GRACE_MS - 100;

/**
 * Whether work that ends at `endsAt` is useless. A request whose batch would finish too late is not computed; a sample that the next
 * model would finish too late does not move on, and its answer so far stands.
 */
export function endsTooLate(endsAt: number, deadlineAt: number): boolean {
  return endsAt > deadlineAt;
}

/** Time to work off a queue in batches of the largest size. */
export function queueMs(length: number, largestBatch: number, batchMs: (size: number) => number): number {
  if (length === 0) return 0;
  const rest = length % largestBatch;
  return Math.floor(length / largestBatch) * batchMs(largestBatch) + (rest === 0 ? 0 : batchMs(rest));
}
