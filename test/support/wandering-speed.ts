import type { Random } from '../../engine/random.ts';
import type { Slowdown } from '../../plans/simulator/slowdown.ts';

const SLOWEST = 0.6;
const FASTEST = 1.2;
/** Standard deviation of the steps, one per second. */
const STEP = 0.1;

/** A random walk of the speed of one or all devices, between 0.6 and 1.2 times the profiled speed. */
export function wanderingSpeed(device: string | undefined, seconds: number, random: Random): Slowdown[] {
  let speed = 1;
  return Array.from({ length: seconds }, (_, second) => {
    speed = Math.min(FASTEST, Math.max(SLOWEST, speed + STEP * random.normal()));
    return { device, factor: 1 / speed, fromMs: 1_000 * second, toMs: 1_000 * (second + 1) };
  });
}
