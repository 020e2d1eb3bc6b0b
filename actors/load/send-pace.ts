/** Requests that are due within this time of each other go out together, so that no rate wakes the sender more often than 4,000 times a second. */
const LEAST_PAUSE_MS = 0.25;
/** As long as the thread may be blocked: pings are answered, and what was published is written, between two sleeps. */
const LONGEST_SLEEP_MS = 3;
/** Longer waits are left to a timer of the event loop, which ends this long before the time. */
const TIMER_LEAD_MS = 5;

export type Pace =
  | { readonly type: 'send' }
  /** Block the thread: on time to a tenth of a millisecond or so. */
  | { readonly type: 'sleep'; readonly ms: number }
  /** Let the event loop wait: on time to some milliseconds. */
  | { readonly type: 'timer'; readonly ms: number };

/**
 * What the sender does next.
 * @param dueMs when the next request is due.
 * @param sentMs when it has last sent some.
 */
export function paceOf(dueMs: number, sentMs: number, nowMs: number): Pace {
  const waitMs = Math.max(dueMs, sentMs + LEAST_PAUSE_MS) - nowMs;
  if (waitMs <= 0) return { type: 'send' };
  if (waitMs > 2 * TIMER_LEAD_MS) return { type: 'timer', ms: waitMs - TIMER_LEAD_MS };
  return { type: 'sleep', ms: Math.min(waitMs, LONGEST_SLEEP_MS) };
}
