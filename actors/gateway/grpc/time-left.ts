import type { Clock } from '../../../engine/clock.ts';

/**
 * The time until a call's deadline, of which the library tells the time of day. That is compared with the time of day once, because it may
 * be set while a stream is open.
 * @param deadline infinite: none.
 * @param today the time of day.
 * @returns milliseconds at the time of asking, at least 1; undefined: no deadline.
 */
export function timeLeft(deadline: Date | number, today: number, clock: Pick<Clock, 'now'>): () => number | undefined {
  const leftMs = Number(deadline) - today;
  if (!Number.isFinite(leftMs)) return () => undefined;
  const startedAt = clock.now();
  return () => Math.max(1, leftMs - (clock.now() - startedAt));
}
