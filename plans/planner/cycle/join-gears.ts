import type { Gear } from '../../domain/gear-plan/gear-plan.ts';

/** A gear in the place of those of some neighbouring ranges. */
export interface JoinedGear {
  readonly gear: Gear;
  /** How many ranges it serves. */
  readonly ranges: number;
}

/** Neighbouring ranges with the same gear are one: a shift between two of them would say something and change nothing. */
export function joinGears(gears: readonly Gear[]): JoinedGear[] {
  const joined: JoinedGear[] = [];
  for (const gear of gears) {
    const last = joined.at(-1);
    if (last !== undefined && servesAlike(last.gear, gear))
      joined[joined.length - 1] = { gear: join(last.gear, gear), ranges: last.ranges + 1 };
    else joined.push({ gear, ranges: 1 });
  }
  return joined;
}

function servesAlike(a: Gear, b: Gear): boolean {
  return served(a) === served(b);
}

function served({ cascade, shares, minQueueLength, maxWaitMs }: Gear): string {
  return JSON.stringify([cascade, shares, minQueueLength, maxWaitMs]);
}

/** Devices are fullest at the top; where queues wait to fill, a lower load may be slower: what is expected is the worst. */
function join(low: Gear, high: Gear): Gear {
  const slower = low.expected.latencyMs.p95 > high.expected.latencyMs.p95 ? low : high;
  return {
    ...high,
    qps: [low.qps[0], high.qps[1]],
    expected: { ...high.expected, latencyMs: slower.expected.latencyMs },
  };
}
