import type { GearPlan } from '../domain/gear-plan/gear-plan.ts';

/** The planned load counts as if it had been seen for so long before: a start under an odd load says little. */
const PRIOR_SECONDS = 30;
/** Longest memory: the factor follows a load that has changed for good, not its ups and downs. */
const HORIZON_SECONDS = 600;
/** A load that is farther from the planned one needs another plan, not another scale (see drift). */
const LARGEST_FACTOR = 4;
const SECOND_MS = 1_000;
/** Ranges are half-open: what is just below an end belongs to the range. */
const JUST_BELOW = 1 - 1e-9;

/**
 * Under an accuracy SLO the plan holds its accuracy over its QPS distribution, not in each gear; so the measured load is scaled by
 * a linear factor that makes its distribution match the planned one (CascadeServe App. C.2). The factor is the planned mean
 * over the long-running measured mean; seconds without a request do not count, as in the paper's traces.
 */
export class LoadScale {
  readonly #plannedQps: number;
  #meanQps: number;
  #seconds = PRIOR_SECONDS;
  #arrivals = 0;
  #since: number;

  constructor(plannedQps: number, now: number) {
    this.#plannedQps = plannedQps;
    this.#meanQps = plannedQps;
    this.#since = now;
  }

  get factor(): number {
    return Math.min(LARGEST_FACTOR, Math.max(1 / LARGEST_FACTOR, this.#plannedQps / this.#meanQps));
  }

  /** Arrivals since the last call. */
  observe(arrivals: number, now: number): void {
    this.#arrivals += arrivals;
    const ms = now - this.#since;
    if (ms < SECOND_MS) return;
    if (this.#arrivals > 0) {
      this.#seconds = Math.min(this.#seconds + 1, HORIZON_SECONDS);
      this.#meanQps += ((this.#arrivals * SECOND_MS) / ms - this.#meanQps) / this.#seconds;
    }
    this.#arrivals = 0;
    this.#since = now;
  }
}

/**
 * A measured load in terms of the planned one. The scale moves loads among the gears that the accuracy is promised over; it does not
 * make a crowd of a load that they carry. Beyond them a load is what it is: there it is only a matter of carrying it.
 * @param promisedQps up to where gears are promised.
 */
export function scaledQps(qps: number, scale: number, promisedQps: number): number {
  const scaled = scale * qps;
  return scaled < promisedQps ? scaled : Math.max(qps, promisedQps * JUST_BELOW);
}

/** Mean of the distribution planned for; where the plan does not say, each range is taken at its middle. */
export function plannedMeanQps({ gears, qpsWeights, meanQps }: Pick<GearPlan, 'gears' | 'qpsWeights' | 'meanQps'>): number {
  return meanQps ?? gears.reduce((sum, { qps: [from, to] }, k) => sum + (qpsWeights[k] * (from + to)) / 2, 0);
}
