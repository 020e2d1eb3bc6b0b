/** Requests due within this time of each other are sent together, so that no rate wakes the sender more than 4,000 times a second. */
const LEAST_PAUSE_MS = 0.25;
/** Longest time to block the thread: pings are answered, and output is written, between two sleeps. */
const LONGEST_SLEEP_MS = 3;
/** Longer waits use a timer of the event loop, set to end this much earlier. */
const TIMER_LEAD_MS = 5;

export type Pace =
  | { readonly type: 'send' }
  /** Block the thread: precise to about a tenth of a millisecond. */
  | { readonly type: 'sleep'; readonly ms: number }
  /** Let the event loop wait: precise to a few milliseconds. */
  | { readonly type: 'timer'; readonly ms: number };

/**
 * The sender's next step.
 * @param dueMs when the next request is due.
 * @param sentMs when it last sent requests.
 */
export function paceOf(dueMs: number, sentMs: number, nowMs: number): Pace {
  const waitMs = Math.max(dueMs, sentMs + LEAST_PAUSE_MS) - nowMs;
  if (waitMs <= 0) return { type: 'send' };
  if (waitMs > 2 * TIMER_LEAD_MS) return { type: 'timer', ms: waitMs - TIMER_LEAD_MS };
  return { type: 'sleep', ms: Math.min(waitMs, LONGEST_SLEEP_MS) };
}
