import { type GeneratorLag, isVoid } from './generator-lag.ts';
import { percentile } from './percentile.ts';
import type { Report } from './report.ts';

/** The SLO that a report is judged by, from the deployment. */
export type ReportSlo =
  | { readonly type: 'latency'; readonly p95Ms: number }
  | { readonly type: 'accuracy'; readonly accuracy: number };

/** How a request ended: a result; refused as overload; any other error; no answer at all. */
const OUTCOMES = { completed: 0, rejected: 1, error: 2, lost: 3 } as const;
export type RequestOutcome = keyof typeof OUTCOMES;

/** One second of intended send times. */
export interface SecondWindow {
  readonly second: number;
  readonly offered: number;
  readonly completed: number;
  /** Over completed requests; null if there are none. */
  readonly p95Ms: number | null;
  /** Over completed requests with a label; null if there are none. */
  readonly accuracy: number | null;
  /** Null without an SLO or, under an accuracy SLO, without labels. */
  readonly metSlo: boolean | null;
}

const WINDOW_MS = 1000;

/**
 * Collects the outcome of every request and builds the report shared by `simulate`, `load`, `demo` and `compare`. It is exact: latencies
 * are kept and sorted, not bucketed. Percentiles are over all requests offered; a request without a result counts as infinitely late.
 *
 * Windows are seconds of *intended* send time; those without requests are skipped. Under a latency SLO, a window meets it when its p95
 * is within the target. Under an accuracy SLO, a window meets it when the mean quality of its answers reaches the target, where a
 * request without a result counts as wrong.
 */
export class ReportBuilder {
  readonly #slo: ReportSlo | undefined;
  readonly #startMs: number;
  #count = 0;
  #sentAtMs = new Float64Array(1024);
  /** Infinity for requests without a result, so that sorting puts them last. */
  #latencyMs = new Float64Array(1024);
  /** In [0, 1]: 0 without a result, NaN when unknown. */
  #quality = new Float32Array(1024);
  readonly #outcomes = new Float64Array(4);
  #duplicates = 0;
  #lastMs = Number.NEGATIVE_INFINITY;

  /** @param startMs intended send time at which the first window starts. */
  constructor(slo: ReportSlo | undefined, startMs: number) {
    this.#slo = slo;
    this.#startMs = startMs;
  }

  /**
   * @param sentAtMs intended send time.
   * @param latencyMs from intended send time to the result; ignored unless completed.
   * @param quality of the answer, in [0, 1]; 0 without a result; null if the samples have no labels.
   */
  add(sentAtMs: number, latencyMs: number, quality: number | null, outcome: RequestOutcome): void {
    if (this.#count === this.#sentAtMs.length) this.#grow();
    const completed = outcome === 'completed';
    const i = this.#count++;
    this.#sentAtMs[i] = sentAtMs;
    this.#latencyMs[i] = completed ? latencyMs : Number.POSITIVE_INFINITY;
    this.#quality[i] = quality === null ? Number.NaN : completed ? quality : 0;
    this.#outcomes[OUTCOMES[outcome]]++;
    this.#lastMs = Math.max(this.#lastMs, completed ? sentAtMs + latencyMs : sentAtMs);
  }

  /** A second result for a request that already had one. */
  addDuplicate(): void {
    this.#duplicates++;
  }

  get count(): number {
    return this.#count;
  }

  /**
   * @param known.seconds for how long requests were sent; the run lasts until the last result, if that came later. Default: only that.
   *   `goodputQps` is results per second of the run, so errors and lost requests do not count.
   */
  build(
    known: {
      seconds?: number;
      gearSwitches?: number | null;
      deviceUtilisation?: Record<string, number> | null;
      generatorLagMs?: GeneratorLag | null;
    } = {},
  ): Report {
    const completed = this.#outcomes[OUTCOMES.completed];
    const untilLast = this.#count === 0 ? 0 : (this.#lastMs - this.#startMs) / 1000;
    const seconds = Math.max(known.seconds ?? 0, untilLast);
    const sorted = this.#latencyMs.slice(0, this.#count).sort();
    const generatorLagMs = known.generatorLagMs ?? null;
    const judged = this.windows().filter((w) => w.metSlo !== null);
    return {
      offered: this.#count,
      completed,
      rejected: this.#outcomes[OUTCOMES.rejected],
      errors: this.#outcomes[OUTCOMES.error],
      lost: this.#outcomes[OUTCOMES.lost],
      duplicates: this.#duplicates,
      seconds,
      goodputQps: seconds > 0 ? completed / seconds : 0,
      accuracy: this.#accuracy(),
      latencyMs: {
        p50: finite(percentile(sorted, 0.5)),
        p95: finite(percentile(sorted, 0.95)),
        p99: finite(percentile(sorted, 0.99)),
        max: finite(percentile(sorted, 1)),
      },
      withinSlo: this.#withinSlo(),
      sloAttainment: judged.length === 0 ? null : judged.filter((w) => w.metSlo).length / judged.length,
      gearSwitches: known.gearSwitches ?? null,
      deviceUtilisation: known.deviceUtilisation ?? null,
      generatorLagMs,
      void: isVoid(generatorLagMs, this.#slo?.type === 'latency' ? this.#slo.p95Ms : undefined),
    };
  }

  /** Seconds with at least one request, ascending. */
  windows(): SecondWindow[] {
    const bySecond = new Map<number, number[]>();
    for (let i = 0; i < this.#count; i++) {
      const second = Math.floor((this.#sentAtMs[i] - this.#startMs) / WINDOW_MS);
      const members = bySecond.get(second);
      if (members === undefined) bySecond.set(second, [i]);
      else members.push(i);
    }
    return [...bySecond].sort(([a], [b]) => a - b).map(([second, members]) => this.#window(second, members));
  }

  #window(second: number, members: readonly number[]): SecondWindow {
    const latencies = Float64Array.from(members, (i) => this.#latencyMs[i]).sort();
    let completed = 0;
    let labelled = 0;
    let labelledCompleted = 0;
    let qualitySum = 0;
    for (const i of members) {
      const done = this.#latencyMs[i] !== Number.POSITIVE_INFINITY;
      if (done) completed++;
      if (Number.isNaN(this.#quality[i])) continue;
      labelled++;
      if (done) labelledCompleted++;
      qualitySum += this.#quality[i];
    }
    return {
      second,
      offered: members.length,
      completed,
      p95Ms: percentile(latencies.subarray(0, completed), 0.95),
      accuracy: labelledCompleted === 0 ? null : qualitySum / labelledCompleted,
      metSlo: this.#met(percentile(latencies, 0.95), labelled === 0 ? null : qualitySum / labelled),
    };
  }

  #met(p95Ms: number | null, qualityOfOffered: number | null): boolean | null {
    if (this.#slo === undefined) return null;
    if (this.#slo.type === 'latency') return p95Ms !== null && p95Ms <= this.#slo.p95Ms;
    return qualityOfOffered === null ? null : qualityOfOffered >= this.#slo.accuracy;
  }

  /** Mean quality of all labelled requests offered; a request without a result counts as wrong. Null without labels. */
  qualityOfOffered(): number | null {
    const labelled = this.#quality.subarray(0, this.#count).filter((quality) => !Number.isNaN(quality));
    return labelled.length === 0 ? null : labelled.reduce((sum, quality) => sum + quality, 0) / labelled.length;
  }

  /** Share of all requests offered that had a result within this time; null if there are none. */
  shareWithin(ms: number): number | null {
    if (this.#count === 0) return null;
    return this.#latencyMs.subarray(0, this.#count).reduce((n, latency) => (latency <= ms ? n + 1 : n), 0) / this.#count;
  }

  #withinSlo(): number | null {
    return this.#slo?.type === 'latency' ? this.shareWithin(this.#slo.p95Ms) : null;
  }

  #accuracy(): number | null {
    let labelled = 0;
    let qualitySum = 0;
    for (let i = 0; i < this.#count; i++) {
      if (Number.isNaN(this.#quality[i]) || this.#latencyMs[i] === Number.POSITIVE_INFINITY) continue;
      labelled++;
      qualitySum += this.#quality[i];
    }
    return labelled === 0 ? null : qualitySum / labelled;
  }

  #grow(): void {
    const size = this.#sentAtMs.length * 2;
    this.#sentAtMs = grown(new Float64Array(size), this.#sentAtMs);
    this.#latencyMs = grown(new Float64Array(size), this.#latencyMs);
    this.#quality = grown(new Float32Array(size), this.#quality);
  }
}

function finite(latencyMs: number | null): number | null {
  return latencyMs === Number.POSITIVE_INFINITY ? null : latencyMs;
}

function grown<A extends Float64Array | Float32Array>(larger: A, old: A): A {
  larger.set(old);
  return larger;
}
