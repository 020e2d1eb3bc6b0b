import type { Gear } from '../../domain/gear-plan/gear-plan.ts';

/** A gear that replaces those of several neighbouring ranges. */
export interface JoinedGear {
  readonly gear: Gear;
  /** How many ranges it serves. */
  readonly ranges: number;
}

/** Joins neighbouring ranges with the same gear: a shift between them would change nothing. */
export function joinGears(gears: readonly Gear[]): JoinedGear[] {
  const joined: JoinedGear[] = [];
  for (const gear of gears) {
    const last = joined.at(-1);
    if (last !== undefined && isSameGear(last.gear, gear))
      joined[joined.length - 1] = { gear: join(last.gear, gear), ranges: last.ranges + 1 };
    else joined.push({ gear, ranges: 1 });
  }
  return joined;
}

function isSameGear(a: Gear, b: Gear): boolean {
  return served(a) === served(b);
}

function served({ cascade, shares, minQueueLength, maxWaitMs }: Gear): string {
  return JSON.stringify([cascade, shares, minQueueLength, maxWaitMs]);
}

/** Expects the worst of both: devices are fullest at the higher load, but latency may be worse at the lower one, where queues fill slowly. */
function join(low: Gear, high: Gear): Gear {
  const slower = low.expected.latencyMs.p95 > high.expected.latencyMs.p95 ? low : high;
  return {
    ...high,
    qps: [low.qps[0], high.qps[1]],
    expected: { ...high.expected, latencyMs: slower.expected.latencyMs },
  };
}
