import { Observable } from 'rxjs';
import type { Bus, BusMessage } from '../../engine/bus/bus.ts';
import type { Clock } from '../../engine/clock.ts';
import { busWith } from './bus-with.ts';

/**
 * The bus and clock of a process that can be stopped and continued (SIGSTOP, SIGCONT). While it is stopped, no timer fires and no
 * message is delivered; afterwards overdue timers come first, then messages, as in an event loop.
 */
export class Pausable {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly #timers: (() => void)[] = [];
  readonly #messages: (() => void)[] = [];
  #paused = false;

  constructor(bus: Bus, clock: Clock) {
    this.clock = {
      now: () => clock.now(),
      after: (delayMs, fn) => {
        let cancelled = false;
        const due = (): void => {
          if (!cancelled) fn();
        };
        const cancel = clock.after(delayMs, () => this.#nowOrLater(this.#timers, due));
        return () => {
          cancelled = true;
          cancel();
        };
      },
      // Never called during a pause, when no caller runs.
      soon: (fn) => clock.soon(fn),
    };
    this.bus = busWith(bus, {
      messages$: (...args) =>
        new Observable<BusMessage>((subscriber) =>
          bus.messages$(...args).subscribe({
            next: (message) => this.#nowOrLater(this.#messages, () => subscriber.next(message)),
            error: (error) => subscriber.error(error),
            complete: () => subscriber.complete(),
          }),
        ),
    });
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    for (const due of [...this.#timers.splice(0), ...this.#messages.splice(0)]) due();
  }

  #nowOrLater(queue: (() => void)[], fn: () => void): void {
    if (this.#paused) queue.push(fn);
    else fn();
  }
}
