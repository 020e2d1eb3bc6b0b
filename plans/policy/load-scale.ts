import type { GearPlan } from '../domain/gear-plan/gear-plan.ts';

/** The planned load counts as if it had been observed for this long before, so that an unusual load at the start says little. */
const PRIOR_SECONDS = 30;
/** Longest memory: the factor follows lasting changes of the load, not its ups and downs. */
const HORIZON_SECONDS = 600;
/** A load farther from the planned one needs another plan, not another scale (see drift). */
const LARGEST_FACTOR = 4;
const SECOND_MS = 1_000;
/** Ranges are half-open: a load just below the end still belongs to the range. */
const JUST_BELOW = 1 - 1e-9;

/**
 * Under an accuracy SLO, the plan keeps its accuracy over its QPS distribution, not in each gear. So we scale the measured load by a
 * linear factor that makes its distribution match the planned one (CascadeServe App. C.2): the planned mean divided by the long-term
 * measured mean. Seconds without requests do not count, as in the paper's traces.
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

  /** Records the arrivals since the last call. */
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
 * Converts a measured load to the planned scale. Scaling moves loads among the gears over which the accuracy is promised; it must not
 * turn a load they carry into a crowd. Beyond them the load is not scaled: there, only carrying it matters.
 * @param promisedQps highest load with promised gears.
 */
export function scaledQps(qps: number, scale: number, promisedQps: number): number {
  const scaled = scale * qps;
  return scaled < promisedQps ? scaled : Math.max(qps, promisedQps * JUST_BELOW);
}

/** Mean of the planned distribution; if the plan does not state it, each range counts at its middle. */
export function plannedMeanQps({ gears, qpsWeights, meanQps }: Pick<GearPlan, 'gears' | 'qpsWeights' | 'meanQps'>): number {
  return meanQps ?? gears.reduce((sum, { qps: [from, to] }, k) => sum + (qpsWeights[k] * (from + to)) / 2, 0);
}
