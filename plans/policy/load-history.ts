/** Longest time back that a rule may look. */
export const LONGEST_WINDOW_MS = 10_000;
const MOST_INTERVALS = 128;
/** Intervals are as long as timers are exact: what is short of the asked time by less than this makes it up. */
const SLACK_MS = 50;

/** Load over some time: requests per second, and how long was measured. */
export interface MeasuredLoad {
  readonly qps: number;
  readonly ms: number;
}

const NO_LOAD: MeasuredLoad = { qps: 0, ms: 0 };

/** What one frontend has counted lately, interval by interval. */
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

  /** Over the fewest last intervals that make up `ms`, or all that there are; at least one. */
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

/** Load of several frontends together, each measured over about the same time. */
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
 * Between which rates the true one lies, as far as counting can tell: the score interval of a Poisson rate at `z` standard
 * deviations. For z = 0 both are the measured rate.
 */
export function rateInterval({ qps, ms }: MeasuredLoad, z: number): readonly [low: number, high: number] {
  if (z === 0 || ms === 0) return [qps, qps];
  const count = (qps * ms) / 1_000;
  const middle = count + (z * z) / 2;
  const spread = z * Math.sqrt(count + (z * z) / 4);
  return [(1_000 * (middle - spread)) / ms, (1_000 * (middle + spread)) / ms];
}

/** Windows over which a load is looked at, beside a rule's own: each three times the one before. */
const WINDOWS_MS = [100, 300, 1_000, 3_000];

/** What is known of the load now: of the last interval, and between which bounds it lies. */
export interface LoadEstimate {
  readonly qps: number;
  readonly lowQps: number;
  readonly highQps: number;
}

/**
 * The load now, as closely as counting can tell. A longer window gives closer bounds, but only while the load has not changed in it:
 * so the bounds of longer and longer windows are intersected until one contradicts the shorter ones (Goldenshluger and Nemirovski's
 * rule for the choice of a window).
 * @param over the load over the last so many milliseconds, of all frontends together.
 * @param windowMs longest window.
 * @param z width of the bounds, in standard deviations of counting; 0: both are the load of the shortest window.
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
