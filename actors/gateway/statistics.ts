import type { Result } from '../../plans/protocol/messages.ts';

/** In Triton's format: the number of times, and their total in nanoseconds. */
interface Duration {
  readonly count: number;
  readonly ns: number;
}

export interface ModelStatistics {
  readonly name: string;
  readonly version: string;
  /** Milliseconds since 1970; 0: none yet. */
  readonly last_inference: number;
  /** Answered samples. */
  readonly inference_count: number;
  /** Always 0, because the devices form the batches, from samples of all clients. */
  readonly execution_count: number;
  /** Per request. The counts of `queue` and `compute_*` are that of `success`: perf_analyzer ends itself if they differ. */
  readonly inference_stats: {
    readonly success: Duration;
    readonly fail: Duration;
    /** Over all stages of the cascade, of the request's slowest sample, because its samples are computed side by side. */
    readonly queue: Duration;
    readonly compute_infer: Duration;
    /** Counted, but part of `compute_infer`. */
    readonly compute_input: Duration;
    readonly compute_output: Duration;
    readonly cache_hit: Duration;
    readonly cache_miss: Duration;
  };
  readonly batch_stats: readonly never[];
}

const NS_PER_MS = 1e6;
const NEVER: Duration = { count: 0, ns: 0 };

/** Counts the requests that went through this gateway. */
export class Statistics {
  #lastInference = 0;
  #samples = 0;
  #success = new Sum();
  #fail = new Sum();
  #queue = new Sum();
  #compute = new Sum();

  onSuccess(results: readonly Result[], tookMs: number, now: number): void {
    this.#lastInference = Math.floor(now);
    this.#success.add(tookMs);
    this.#samples += results.length;
    const { queueMs, computeMs } = results
      .map(({ timing }) => timing)
      .reduce((slowest, each) => (each.totalMs > slowest.totalMs ? each : slowest));
    this.#queue.add(queueMs);
    this.#compute.add(computeMs);
  }

  onFailure(tookMs: number): void {
    this.#fail.add(tookMs);
  }

  of(name: string, version: string): ModelStatistics {
    const counted: Duration = { count: this.#success.count, ns: 0 };
    return {
      name,
      version,
      last_inference: this.#lastInference,
      inference_count: this.#samples,
      execution_count: 0,
      inference_stats: {
        success: this.#success.duration,
        fail: this.#fail.duration,
        queue: this.#queue.duration,
        compute_input: counted,
        compute_infer: this.#compute.duration,
        compute_output: counted,
        cache_hit: NEVER,
        cache_miss: NEVER,
      },
      batch_stats: [],
    };
  }
}

class Sum {
  count = 0;
  #ms = 0;

  add(ms: number): void {
    this.count++;
    this.#ms += ms;
  }

  get duration(): Duration {
    return { count: this.count, ns: Math.round(this.#ms * NS_PER_MS) };
  }
}
