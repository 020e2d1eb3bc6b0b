import { concat, concatMap, defer, EMPTY, from, ignoreElements, last, type Observable, tap } from 'rxjs';
import type { Backend, BatchOutput, ModelFile } from '../engine/backend/backend.ts';
import { ConfigError } from '../engine/errors.ts';
import type { Logger } from '../engine/log.ts';
import { fixedBytes, type Sample, type TensorSpec } from '../engine/tensor.ts';

export interface ReplicasOptions {
  readonly device: string;
  readonly models: readonly string[];
  readonly specs: readonly TensorSpec[];
  /** Files of all models of the family, in its order. */
  readonly files: readonly ModelFile[];
  /** Per model: batch sizes to run before the replica is called ready, ascending, with their profiled times. */
  readonly profiled: readonly { readonly batch: readonly number[]; readonly ms: readonly number[] }[];
  /** Memory for replicas, and what a replica of each model takes. */
  readonly memoryBytes: number;
  readonly replicaBytes: readonly number[];
}

/** Ragged axes of the made-up samples that warm a replica up. */
const WARM_UP_LENGTH = 16;
/**
 * A replica slower than this against its profile is reported: gears follow the measured speed, but better ones could be planned for
 * this machine. Times of a few milliseconds say little when nothing else has run yet.
 */
const SLOWER_THAN_PROFILE = 2;
const SHORTEST_TOLD_MS = 5;

/** The model replicas of one device: which are loaded and warm, and whether others fit in beside them. */
export class Replicas {
  readonly #options: ReplicasOptions;
  readonly #backend: Backend;
  readonly #log: Logger;
  readonly #ready = new Set<number>();

  constructor(options: ReplicasOptions, backend: Backend, log: Logger) {
    this.#options = options;
    this.#backend = backend;
    this.#log = log;
  }

  has(model: number): boolean {
    return this.#ready.has(model);
  }

  /** Models in family order. */
  get ready(): readonly number[] {
    return [...this.#ready].sort((a, b) => a - b);
  }

  /**
   * Loads those models that are not there yet and runs each at each profiled batch size: ready means warmed up. Completes when
   * all are; errors with ConfigError when they do not fit in beside what is loaded, or when one cannot be loaded.
   */
  load(models: readonly number[]): Observable<never> {
    return defer(() => {
      const missing = models.filter((model) => !this.#ready.has(model));
      if (missing.length > 0) this.#checkMemory(missing);
      return from(missing).pipe(concatMap((model) => this.#loadOne(model)));
    });
  }

  unload(model: number): Observable<never> {
    this.#ready.delete(model);
    return this.#backend
      .unload(this.#options.models[model])
      .pipe(
        tap({ complete: () => this.#log.info({ model: this.#options.models[model] }, 'replica is unloaded') }),
        ignoreElements(),
      );
  }

  #checkMemory(missing: readonly number[]): void {
    const { device, models, memoryBytes, replicaBytes } = this.#options;
    const total = [...this.#ready, ...missing].reduce((sum, model) => sum + replicaBytes[model], 0);
    if (total <= memoryBytes) return;
    const named = (of: Iterable<number>): string =>
      [...of].map((model) => `${models[model]} ${mebibytes(replicaBytes[model])}`).join(', ') || 'nothing';
    throw new ConfigError(
      `device ${device} has ${mebibytes(memoryBytes)} for replicas: ${named(missing)} do not fit in beside ${named(this.#ready)}`,
    );
  }

  #loadOne(model: number): Observable<never> {
    const { files, profiled, specs, models } = this.#options;
    const blank: Sample = specs.map(blankTensor);
    const { batch, ms } = profiled[model];
    // Nothing gets warm in an emulated device, and its batches may take seconds.
    const warmUp$ = this.#backend.emulated
      ? EMPTY
      : from(batch).pipe(concatMap((size, i) => this.#warmUp(model, size, ms[i], blank)));
    return concat(this.#backend.load(files[model]), warmUp$).pipe(
      tap({
        complete: () => {
          this.#ready.add(model);
          this.#log.info({ model: models[model] }, 'replica is ready');
        },
      }),
      ignoreElements(),
    );
  }

  /** The first run of a size allocates; the second is compared with the profile, which has the time on the inference thread. */
  #warmUp(model: number, size: number, profiledMs: number, blank: Sample): Observable<BatchOutput> {
    const batch = new Array<Sample>(size).fill(blank);
    const name = this.#options.models[model];
    return concat(this.#backend.run(name, batch), this.#backend.run(name, batch)).pipe(
      last(),
      tap(({ computeMs }) => {
        if (computeMs <= SHORTEST_TOLD_MS || computeMs <= SLOWER_THAN_PROFILE * profiledMs) return;
        this.#log.warn(
          { model: name, batch: size, computeMs, profiledMs },
          'slower than profiled; unless something else uses this device now, run `cascade profile` again on this machine',
        );
      }),
    );
  }
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}

function blankTensor(spec: TensorSpec): Sample[number] {
  const shape = spec.shape.map((dimension) => dimension ?? WARM_UP_LENGTH);
  const bytes = fixedBytes({ ...spec, shape });
  return { data: new Uint8Array(bytes ?? 0), shape };
}
