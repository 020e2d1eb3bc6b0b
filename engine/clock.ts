import { Observable } from 'rxjs';

/** Time as an argument: real in production, virtual in simulations. All times and durations are milliseconds. */
export interface Clock {
  /** Milliseconds since the Unix epoch; never goes backwards. */
  now(): number;
  /** Calls `fn` once, `delayMs` from now; 0 means after the current event-loop turn. Returns a function that cancels it. */
  after(delayMs: number, fn: () => void): () => void;
  /**
   * Calls `fn` once the current task is done, before the event loop continues: after all messages that arrived in one chunk, but not after
   * all that arrived in one turn.
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

/** Cached, because reading it costs more than reading the clock. */
const TIME_ORIGIN = performance.timeOrigin;

/** Node calls a longer timer after 1 ms. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The process's clock: monotonic, like `performance.now()`, and comparable between processes on one machine. */
export const realClock: Clock = {
  now: () => TIME_ORIGIN + performance.now(),
  after(delayMs, fn) {
    if (delayMs <= 0) {
      const immediate = setImmediate(fn);
      return () => clearImmediate(immediate);
    }
    if (delayMs > LONGEST_TIMER_MS) {
      let cancel = realClock.after(LONGEST_TIMER_MS, () => {
        cancel = realClock.after(delayMs - LONGEST_TIMER_MS, fn);
      });
      return () => cancel();
    }
    const timer = setTimeout(fn, delayMs);
    return () => clearTimeout(timer);
  },
  soon: queueMicrotask,
};

/** Milliseconds of a clock shared by the threads of a process; `performance.now()` counts from each thread's start. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1_000 + nanoseconds / 1e6;
}
