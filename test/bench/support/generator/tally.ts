import type { Step } from './schedule.ts';
import type { AnswerSink } from './transport.ts';

const PENDING = 0;
const ANSWERED = 1;
const FAILED = 2;
/** The gear of a slot is that of its last answer, because devices do not change gears at exactly the same time. */
const GEAR_SLOT_MS = 100;

export interface TallyOptions {
  readonly schedule: Float64Array;
  readonly steps: readonly Step[];
  readonly sloMs: number;
  readonly withinMs: number;
  /** Later answers count as missing. */
  readonly deadlineMs: number;
  /** Requests scheduled before this are sent but count only in the windows. */
  readonly skipSeconds: number;
  /** Milliseconds since the start of the schedule. */
  readonly now: () => number;
  readonly labelOf: ((request: number) => number) | undefined;
}

/** Records the outcome of each request. One slot per request in typed arrays, so nothing is allocated while the load runs. */
export class Tally implements AnswerSink {
  readonly #options: TallyOptions;
  readonly #state: Uint8Array;
  readonly #latencyMs: Float64Array;
  readonly #lagMs: Float64Array;
  readonly #right: Uint8Array;
  readonly #gear: Int16Array;
  readonly #models: string[] = [];
  readonly #model: Uint8Array;
  readonly #errors = new Map<string, number>();
  readonly #gearSlots: Int16Array;
  /** Answers by the second in which they came. */
  readonly #arrived: Uint32Array;
  #duplicates = 0;
  #ended = 0;

  constructor(options: TallyOptions) {
    this.#options = options;
    const n = options.schedule.length;
    this.#state = new Uint8Array(n);
    this.#latencyMs = new Float64Array(n).fill(Number.POSITIVE_INFINITY);
    this.#lagMs = new Float64Array(n);
    this.#right = new Uint8Array(n);
    this.#gear = new Int16Array(n).fill(-1);
    this.#model = new Uint8Array(n);
    const endMs = 1_000 * this.#seconds + options.deadlineMs;
    this.#arrived = new Uint32Array(Math.ceil(endMs / 1_000) + 1);
    this.#gearSlots = new Int16Array(Math.ceil(endMs / GEAR_SLOT_MS) + 1).fill(-1);
  }

  get allEnded(): boolean {
    return this.#ended === this.#state.length;
  }

  get #seconds(): number {
    return this.#options.steps.reduce((sum, [seconds]) => sum + seconds, 0);
  }

  sent(from: number, to: number): void {
    const now = this.#options.now();
    for (let request = from; request < to; request++) this.#lagMs[request] = now - this.#options.schedule[request];
  }

  answered(request: number, label: number, model: string, gear: number): void {
    const now = this.#end(request, ANSWERED);
    if (now === undefined) return;
    if (label === this.#options.labelOf?.(request)) this.#right[request] = 1;
    let index = this.#models.indexOf(model);
    if (index === -1) index = this.#models.push(model) - 1;
    this.#model[request] = index;
    this.#gear[request] = gear;
    this.#arrived[Math.floor(now / 1_000)]++;
    const slot = Math.floor(now / GEAR_SLOT_MS);
    if (slot < this.#gearSlots.length) this.#gearSlots[slot] = gear;
  }

  failed(request: number, error: string): void {
    if (this.#end(request, FAILED) !== undefined) this.#errors.set(error, (this.#errors.get(error) ?? 0) + 1);
  }

  #end(request: number, state: number): number | undefined {
    if (this.#state[request] !== PENDING) {
      this.#duplicates++;
      return undefined;
    }
    const now = this.#options.now();
    const latencyMs = now - this.#options.schedule[request];
    this.#ended++;
    // After a late answer the request stays lost, but the answer is not a duplicate.
    this.#state[request] = state;
    if (state === ANSWERED) this.#latencyMs[request] = latencyMs;
    return now;
  }

  report() {
    const { skipSeconds } = this.#options;
    const { schedule } = this.#options;
    let first = schedule.findIndex((at) => at >= 1_000 * skipSeconds);
    if (first === -1) first = schedule.length;
    const windows = this.#windows();
    const counted = windows.slice(Math.ceil(skipSeconds));
    return {
      seconds: this.#seconds - skipSeconds,
      ...this.#figures(first, schedule.length),
      attainment: counted.length === 0 ? null : counted.filter(({ met }) => met).length / counted.length,
      duplicates: this.#duplicates,
      errorsByCode: Object.fromEntries(this.#errors),
      senderLagMs: percentiles(this.#lagMs.slice(first)),
      gearChanges: this.#gearChanges(),
      answersByGear: this.#by(first, (request) => String(this.#gear[request])),
      answersByModel: this.#by(first, (request) => this.#models[this.#model[request]]),
      windows,
    };
  }

  #lateAt(request: number): boolean {
    return !(this.#latencyMs[request] <= this.#options.deadlineMs);
  }

  #figures(from: number, to: number) {
    const { withinMs, labelOf } = this.#options;
    let [answered, errors, right, within] = [0, 0, 0, 0];
    // Requests without an answer or with an error count as slower than all others.
    const latencyMs = new Float64Array(to - from).fill(Number.POSITIVE_INFINITY);
    for (let request = from; request < to; request++) {
      if (this.#state[request] === FAILED) errors++;
      if (this.#state[request] !== ANSWERED || this.#lateAt(request)) continue;
      answered++;
      right += this.#right[request];
      latencyMs[request - from] = this.#latencyMs[request];
      if (this.#latencyMs[request] <= withinMs) within++;
    }
    const offered = to - from;
    return {
      offered,
      answered,
      errors,
      lost: offered - answered - errors,
      withinShare: offered === 0 ? null : within / offered,
      accuracy: labelOf === undefined || answered === 0 ? null : right / answered,
      latencyMs: percentiles(latencyMs.filter(Number.isFinite)),
      /** Requests without an answer count as slower than all others; null if the percentile is one of them. */
      offeredLatencyMs: percentiles(latencyMs),
    };
  }

  #windows() {
    const { schedule, sloMs, steps } = this.#options;
    const rates = steps.flatMap(([seconds, qps]) => new Array<number>(Math.round(seconds)).fill(qps));
    let from = 0;
    return Array.from({ length: Math.ceil(this.#seconds) }, (_, second) => {
      let to = from;
      while (to < schedule.length && schedule[to] < 1_000 * (second + 1)) to++;
      const { offeredLatencyMs, latencyMs: _answered, ...figures } = this.#figures(from, to);
      const gear = this.#gearSlots[(1_000 * (second + 1)) / GEAR_SLOT_MS - 1];
      from = to;
      const { p50, p95, max } = offeredLatencyMs;
      // A second without requests meets any SLO.
      const met = figures.offered === 0 || (p95 !== null && p95 <= sloMs);
      const arrived = this.#arrived[second];
      return { second, qps: rates[second] ?? null, ...figures, arrived, p50Ms: p50, p95Ms: p95, maxMs: max, met, gear };
    });
  }

  #gearChanges(): number {
    const from = Math.ceil((1_000 * this.#options.skipSeconds) / GEAR_SLOT_MS);
    const seen = this.#gearSlots.subarray(from).filter((gear) => gear !== -1);
    return seen.reduce((changes, gear, i) => (i > 0 && gear !== seen[i - 1] ? changes + 1 : changes), 0);
  }

  #by(first: number, keyOf: (request: number) => string) {
    const groups: Record<string, { answered: number; right: number }> = {};
    for (let request = first; request < this.#state.length; request++) {
      if (this.#state[request] !== ANSWERED) continue;
      const key = keyOf(request);
      groups[key] ??= { answered: 0, right: 0 };
      groups[key].answered++;
      groups[key].right += this.#right[request];
    }
    return groups;
  }
}

/** What the generator prints. */
export type GeneratorReport = ReturnType<Tally['report']> & {
  /** Requests that waited in the generator for a free connection. */
  readonly waitedForConnection: number;
  /** Of the generator, while it ran. */
  readonly processorSeconds: number;
};

/** Percentiles by nearest rank; null if there are no values or the value is infinite. */
function percentiles(values: Float64Array): Record<'p50' | 'p95' | 'p99' | 'max', number | null> {
  const sorted = values.slice().sort();
  const at = (share: number): number | null => {
    const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
    return value === undefined || !Number.isFinite(value) ? null : value;
  };
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}
