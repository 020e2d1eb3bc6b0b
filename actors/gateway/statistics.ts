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
  readonly inference_stats: {
    /** Per request. */
    readonly success: Duration;
    readonly fail: Duration;
    /** Per sample, over all stages of the cascade. */
    readonly queue: Duration;
    readonly compute_input: Duration;
    readonly compute_infer: Duration;
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
  #success = new Sum();
  #fail = new Sum();
  #queue = new Sum();
  #compute = new Sum();

  onSuccess(results: readonly Result[], tookMs: number, now: number): void {
    this.#lastInference = Math.floor(now);
    this.#success.add(tookMs);
    for (const { timing } of results) {
      this.#queue.add(timing.queueMs);
      this.#compute.add(timing.computeMs);
    }
  }

  onFailure(tookMs: number): void {
    this.#fail.add(tookMs);
  }

  of(name: string, version: string): ModelStatistics {
    return {
      name,
      version,
      last_inference: this.#lastInference,
      inference_count: this.#queue.count,
      execution_count: 0,
      inference_stats: {
        success: this.#success.duration,
        fail: this.#fail.duration,
        queue: this.#queue.duration,
        compute_input: NEVER,
        compute_infer: this.#compute.duration,
        compute_output: NEVER,
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
