import type { SpeedReport } from '../../plans/protocol/events.ts';

/** Smaller shares are normal on any machine. */
const STARVED_SHARE = 0.1;

/** Describes a speed for people: `cpu1 runs 1.9x slower than profiled since 12:03:07 UTC`, with the reason, if known. */
export function describeSpeed(device: string, { state, slowdown, since, starvedShare }: SpeedReport): string {
  const when = since === null ? '' : ` since ${new Date(since).toISOString().slice(11, 19)} UTC`;
  if (state === 'as-profiled') return `${device} runs as profiled${since === null ? '' : ' again'}${when}`;
  const why =
    starvedShare !== null && starvedShare >= STARVED_SHARE
      ? `: others use its cores, its inference thread waited for a processor ${Math.round(100 * starvedShare)} % of the time`
      : '';
  return `${device} runs ${slowdown.toFixed(1)}x slower than profiled${when}${why}`;
}
