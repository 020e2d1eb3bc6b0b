/** How far back a rule may look. */
export const LONGEST_WINDOW_MS = 10_000;
const MOST_INTERVALS = 128;
/** Timers are inexact: intervals that fall short of the requested time by less than this count as all of it. */
const SLACK_MS = 50;

/** Load over some time: requests per second, and the length of the measurement. */
export interface MeasuredLoad {
  readonly qps: number;
  readonly ms: number;
}

const NO_LOAD: MeasuredLoad = { qps: 0, ms: 0 };

/** Recent arrival counts of one frontend, by interval. */
export class LoadHistory {
  readonly #arrivals = new Float64Array(MOST_INTERVALS);
  readonly #intervalMs = new Float64Array(MOST_INTERVALS);
  #last = MOST_INTERVALS - 1;
  #known = 0;

  add(arrivals: number, intervalMs: number): void {
    this.#last = (this.#last + 1) % MOST_INTERVALS;
    this.#arrivals[this.#last] = arrivals;
    this.#intervalMs[this.#last] = intervalMs;
    this.#known = Math.min(this.#known + 1, MOST_INTERVALS);
  }

  /** Over the fewest recent intervals that make up `ms`, or over all; at least one. */
  over(ms: number): MeasuredLoad {
    let arrivals = 0;
    let measuredMs = 0;
    for (let back = 0; back < this.#known; back++) {
      if (back > 0 && measuredMs > ms - SLACK_MS) break;
      const at = (this.#last - back + MOST_INTERVALS) % MOST_INTERVALS;
      arrivals += this.#arrivals[at];
      measuredMs += this.#intervalMs[at];
    }
    return measuredMs === 0 ? NO_LOAD : { qps: (1_000 * arrivals) / measuredMs, ms: measuredMs };
  }
}

/** Combined load of several frontends, each measured over about the same time. */
export function together(loads: readonly MeasuredLoad[]): MeasuredLoad {
  if (loads.length === 0) return NO_LOAD;
  let qps = 0;
  let ms = 0;
  for (const load of loads) {
    qps += load.qps;
    ms += load.ms;
  }
  return { qps, ms: ms / loads.length };
}

/**
 * Bounds on the true rate, as far as counting can tell: the score interval of a Poisson rate at `z` standard deviations. For z = 0,
 * both bounds are the measured rate.
 */
export function rateInterval({ qps, ms }: MeasuredLoad, z: number): readonly [low: number, high: number] {
  if (z === 0 || ms === 0) return [qps, qps];
  const count = (qps * ms) / 1_000;
  const middle = count + (z * z) / 2;
  const spread = z * Math.sqrt(count + (z * z) / 4);
  return [(1_000 * (middle - spread)) / ms, (1_000 * (middle + spread)) / ms];
}

/** Windows over which a load is estimated, in addition to the rule's own. Each is about three times the one before. */
const WINDOWS_MS = [100, 300, 1_000, 3_000];

/** The current load: as counted in the last interval, and its bounds. */
export interface LoadEstimate {
  readonly qps: number;
  readonly lowQps: number;
  readonly highQps: number;
}

/**
 * The current load, as precisely as counting allows. A longer window gives tighter bounds, but only if the load did not change within
 * it. So we intersect the bounds of longer and longer windows until one contradicts the shorter ones (Goldenshluger and Nemirovski's rule
 * for choosing a window).
 * @param over the combined load of all frontends over the last `ms` milliseconds.
 * @param windowMs longest window.
 * @param z width of the bounds, in standard deviations of counting noise; 0: both are the load of the shortest window.
 */
export function estimateLoad(over: (ms: number) => MeasuredLoad, windowMs: number, z: number): LoadEstimate {
  const last = over(WINDOWS_MS[0]);
  let [low, high] = rateInterval(last, z);
  for (const ms of [...WINDOWS_MS.slice(1).filter((window) => window < windowMs), windowMs]) {
    const [lower, upper] = rateInterval(over(ms), z);
    if (lower > high || upper < low) break;
    low = Math.max(low, lower);
    high = Math.min(high, upper);
  }
  return { qps: last.qps, lowQps: low, highQps: high };
}
