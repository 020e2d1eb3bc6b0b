/**
 * When a queue triggers an inference (CascadeServe §4.5): at its minimum queue length, or when its oldest request
 * has waited `maxWaitMs`; a model outside the gear has minimum 1 and so triggers at once.
 */
export function isTriggered(
  length: number,
  minQueueLength: number,
  oldestEnqueuedAt: number,
  maxWaitMs: number,
  now: number,
): boolean {
  return length > 0 && (length >= minQueueLength || now >= oldestEnqueuedAt + maxWaitMs);
}

/** One inference at a time per device: among triggered queues, the one with the oldest request goes first. */
export function goesFirst(oldestEnqueuedAtA: number, oldestEnqueuedAtB: number): boolean {
  return oldestEnqueuedAtA < oldestEnqueuedAtB;
}
