import type { Bus } from '../../engine/bus/bus.ts';
import type { Clock } from '../../engine/clock.ts';

/** Time for a process whose device hangs to report that and hand over. */
const HANDOVER_MS = 500;

/**
 * Ends a process whose device hangs, after the server has received the report that the device left, and after the frontend in the
 * process, if there is one, has read that too and sent its requests elsewhere.
 * @param ingress the actors of that frontend, if there is one.
 * @param end ends the process at once; may be called more than once.
 */
export function exitHungProcess(
  ingress: readonly { stop(graceMs: number): Promise<unknown> }[],
  bus: Bus,
  clock: Clock,
  end: () => void,
): void {
  clock.after(HANDOVER_MS, end);
  Promise.all(ingress.map((part) => part.stop(HANDOVER_MS)))
    .then(() => bus.flush())
    .then(end, end);
}
