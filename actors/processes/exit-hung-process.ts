import type { Bus } from '../../engine/bus/bus.ts';
import type { Clock } from '../../engine/clock.ts';

/** Time for the last words of a process whose device hangs. */
const LAST_WORDS_MS = 500;

/**
 * Ends a process whose device hangs, after the server knows that the device has left, and after the frontend in the process, if
 * there is one, has read so, too, and sent elsewhere what it had there.
 * @param ingress the actors of that frontend, where there is one.
 * @param end ends the process at once; may be called more than once.
 */
export function exitHungProcess(
  ingress: readonly { stop(graceMs: number): Promise<unknown> }[],
  bus: Bus,
  clock: Clock,
  end: () => void,
): void {
  clock.after(LAST_WORDS_MS, end);
  Promise.all(ingress.map((part) => part.stop(LAST_WORDS_MS)))
    .then(() => bus.flush())
    .then(end, end);
}
