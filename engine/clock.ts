import { Observable } from 'rxjs';

/** Time as an argument: real in production, virtual in simulations. All times and durations are milliseconds. */
export interface Clock {
  /** Milliseconds since the Unix epoch; never goes back. */
  now(): number;
  /** Calls `fn` once, `delayMs` from now; 0 means after the current event-loop turn. Returns the cancellation. */
  after(delayMs: number, fn: () => void): () => void;
  /**
   * Calls `fn` once what is being done now is done, before the event loop turns to anything else: after all messages that came in
   * one chunk, not after all that came in one turn.
   */
  soon(fn: () => void): void;
}

/** Emits 0, 1, 2 ... every `periodMs`, without drift, until unsubscribed. */
export function every(clock: Clock, periodMs: number): Observable<number> {
  return new Observable((subscriber) => {
    let count = 0;
    let due = clock.now() + periodMs;
    let cancel = clock.after(periodMs, tick);
    function tick(): void {
      due = Math.max(due + periodMs, clock.now());
      cancel = clock.after(due - clock.now(), tick);
      subscriber.next(count++);
    }
    return () => cancel();
  });
}

/** Reading it anew costs more than reading the clock. */
const TIME_ORIGIN = performance.timeOrigin;

/** The process's clock. Monotone, as `performance.now()`, and comparable between processes of one machine. */
export const realClock: Clock = {
  now: () => TIME_ORIGIN + performance.now(),
  after(delayMs, fn) {
    if (delayMs <= 0) {
      const immediate = setImmediate(fn);
      return () => clearImmediate(immediate);
    }
    const timer = setTimeout(fn, delayMs);
    return () => clearTimeout(timer);
  },
  soon: queueMicrotask,
};

/** Milliseconds of a clock that the threads of a process share; `performance.now()` counts from each thread's own begin. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1_000 + nanoseconds / 1e6;
}
