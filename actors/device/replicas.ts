import { catchError, concat, concatMap, defer, EMPTY, from, ignoreElements, last, type Observable, tap } from 'rxjs';
import type { Backend, BatchOutput, ModelFile } from '../../engine/backend/backend.ts';
import { CascadeError, ConfigError, messageOf } from '../../engine/errors.ts';
import type { Logger } from '../../engine/log.ts';
import type { Sample } from '../../engine/tensor/tensor.ts';

export interface ReplicasOptions {
  readonly device: string;
  readonly models: readonly string[];
  /** Files of all models of the family, in its order. */
  readonly files: readonly ModelFile[];
  /** Samples to run before a replica is called ready: a typical one in batches, larger ones alone. */
  readonly warmUp: readonly Sample[];
  /** Per model: sizes of these batches, ascending, with their profiled times. */
  readonly profiled: readonly { readonly batch: readonly number[]; readonly ms: readonly number[] }[];
  /** Memory for replicas, and what a replica of each model takes. */
  readonly memoryBytes: number;
  readonly replicaBytes: readonly number[];
}

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
   * all are; errors with ConfigError when they do not fit in beside what is loaded, or when one cannot be loaded or run.
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
    const { files, models } = this.#options;
    // Nothing gets warm in an emulated device, and its batches may take seconds.
    const warmUp$ = this.#backend.emulated ? EMPTY : this.#warmUp(model);
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

  #warmUp(model: number): Observable<BatchOutput> {
    const { device, models, profiled, warmUp } = this.#options;
    const [typical, ...larger] = warmUp;
    const { batch, ms } = profiled[model];
    return concat(
      from(batch).pipe(concatMap((size, i) => this.#warmUpAt(model, size, ms[i], typical))),
      from(larger).pipe(concatMap((sample) => this.#backend.run(models[model], [sample]))),
    ).pipe(
      catchError((error) => {
        if (error instanceof CascadeError && error.code === 'UNAVAILABLE') throw error;
        throw new ConfigError(
          `device ${device} cannot run model ${models[model]} on samples that it was profiled with: ${messageOf(error)}; ` +
            'run `cascade profile` again on this machine',
        );
      }),
    );
  }

  /** The first run of a size allocates; the second is compared with the profile, which has the time on the inference thread. */
  #warmUpAt(model: number, size: number, profiledMs: number, sample: Sample): Observable<BatchOutput> {
    const batch = new Array<Sample>(size).fill(sample);
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
