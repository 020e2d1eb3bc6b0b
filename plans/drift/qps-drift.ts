import type { GearPlan } from '../domain/gear-plan/gear-plan.ts';
import { plannedMeanQps } from '../policy/load-scale.ts';
import { keptShare, total } from './distance.ts';
import { type DriftMeasure, type DriftSettings, driftMeasure } from './drift-measure.ts';

export interface QpsDriftMeasure extends DriftMeasure {
  /** Means over the seconds with requests, in requests per second. */
  readonly meanQps: number;
  readonly plannedMeanQps: number;
  /** Highest load for which the plan makes promises. */
  readonly qpsMax: number;
  /** Per range of the plan. Higher loads count toward the last one. */
  readonly weights: readonly number[];
  readonly plannedWeights: readonly number[];
  /** Weights of equal ranges from 0 to `qpsMax`, finer than the plan's: a distribution to plan for. Higher loads count toward the last one. */
  readonly histogram: readonly number[];
  /** Weights of the next ranges of the same width, from `qpsMax` to the highest load, to plan for more. */
  readonly histogramAbove: readonly number[];
  /** Share of the seconds with more than `qpsMax`. */
  readonly above: number;
}

const SECOND_MS = 1_000;
type DriftPlan = Pick<GearPlan, 'gears' | 'qpsWeights' | 'meanQps'>;

/** Called once a second by timers that come late or slightly early. Only a call right after another has too little data. */
const LEAST_MS = SECOND_MS / 2;
/** Old load decays. Loads depend on the time of day, so it should not decay much faster. */
const HORIZON_MS = 3_600_000;

/** The plan's ranges may be wide, and planning for the measured load needs finer ones. */
const HISTOGRAM_RANGES = 100;
/** The histogram ends at this multiple of `qpsMax`; higher loads count toward its last range. */
const HISTOGRAM_END = 10;

/**
 * Compares the measured QPS distribution, in the ranges of the plan, with the planned one (CascadeServe App. C.2). Observations are
 * seconds, because in the 100 ms in which gears are chosen, low loads are mostly noise. Seconds without requests are left out, as in
 * the paper's traces: a plan says nothing about them.
 */
export class QpsDrift {
  readonly #plan: DriftPlan;
  readonly #settings: DriftSettings;
  readonly #seconds: Float64Array;
  readonly #histogram = new Float64Array(HISTOGRAM_END * HISTOGRAM_RANGES);
  #qpsSum = 0;
  #arrivals = 0;
  #since: number;
  #drifted = false;

  constructor(plan: DriftPlan, settings: DriftSettings, now: number) {
    this.#plan = plan;
    this.#settings = settings;
    this.#seconds = new Float64Array(plan.gears.length);
    this.#since = now;
  }

  get #qpsMax(): number {
    return this.#plan.gears[this.#plan.gears.length - 1].qps[1];
  }

  observe(arrivals: number): void {
    this.#arrivals += arrivals;
  }

  /** Call about once a second: ends the current second. */
  tick(now: number): void {
    const ms = now - this.#since;
    if (ms < LEAST_MS) return;
    const qps = (this.#arrivals * SECOND_MS) / ms;
    this.#arrivals = 0;
    this.#since = now;
    if (qps === 0) return;
    const kept = keptShare(total(this.#seconds), 2 * this.#settings.minSamples, ms, HORIZON_MS);
    for (let range = 0; range < this.#seconds.length; range++) this.#seconds[range] *= kept;
    for (let range = 0; range < this.#histogram.length; range++) this.#histogram[range] *= kept;
    const range = this.#plan.gears.findIndex((gear) => qps < gear.qps[1]);
    this.#seconds[range === -1 ? this.#seconds.length - 1 : range]++;
    this.#histogram[Math.min(this.#histogram.length - 1, Math.floor((qps / this.#qpsMax) * HISTOGRAM_RANGES))]++;
    this.#qpsSum = this.#qpsSum * kept + qps;
  }

  measure(): QpsDriftMeasure {
    const { qpsWeights: planned } = this.#plan;
    const measure = driftMeasure(this.#seconds, planned, this.#settings.qpsBound, this.#settings.minSamples, this.#drifted);
    this.#drifted = measure.drifted;
    const seconds = Math.max(1, measure.observations);
    const shares = Array.from(this.#histogram, (count) => count / seconds);
    const histogramAbove = shares.slice(HISTOGRAM_RANGES, 1 + shares.findLastIndex((share) => share > 0));
    const above = total(histogramAbove);
    return {
      ...measure,
      meanQps: this.#qpsSum / seconds,
      plannedMeanQps: plannedMeanQps(this.#plan),
      qpsMax: this.#qpsMax,
      weights: Array.from(this.#seconds, (count) => count / seconds),
      plannedWeights: planned,
      histogram: shares.slice(0, HISTOGRAM_RANGES).with(-1, shares[HISTOGRAM_RANGES - 1] + above),
      histogramAbove,
      above,
    };
  }
}
