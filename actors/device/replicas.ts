import { catchError, concat, concatMap, defer, EMPTY, from, ignoreElements, last, type Observable, tap, throwError } from 'rxjs';
import type { Backend, BatchOutput } from '../../engine/backend/backend.ts';
import { CascadeError, ConfigError, messageOf, WeightsMissingError } from '../../engine/errors.ts';
import type { Logger } from '../../engine/log.ts';
import type { Sample } from '../../engine/tensor/tensor.ts';
import type { DeviceWeights } from './weights/device-weights.ts';

export interface ReplicasOptions {
  readonly device: string;
  /** Samples to run before a replica is ready: a typical one in batches, larger ones alone. */
  readonly warmUp: readonly Sample[];
  /** Memory for replicas. */
  readonly memoryBytes: number;
}

/**
 * Report a replica that is slower than its profile by this factor: gears follow the measured speed, but a better plan for this machine may
 * exist. Times of a few milliseconds say little before anything else has run.
 */
const SLOWER_THAN_PROFILE = 2;
const SHORTEST_TOLD_MS = 5;

/** The model replicas of one device: which weights are loaded and warm, and whether others also fit. */
export class Replicas {
  readonly #options: ReplicasOptions;
  readonly #backend: Backend;
  readonly #log: Logger;
  /** By key. */
  readonly #ready = new Map<string, DeviceWeights>();
  /** Key -> why these weights were unavailable when they were last looked for. */
  readonly #missing = new Map<string, string>();

  constructor(options: ReplicasOptions, backend: Backend, log: Logger) {
    this.#options = options;
    this.#backend = backend;
    this.#log = log;
  }

  has({ key }: Pick<DeviceWeights, 'key'>): boolean {
    return this.#ready.has(key);
  }

  get ready(): readonly DeviceWeights[] {
    return [...this.#ready.values()];
  }

  /** Why weights were unavailable; undefined for weights that are loaded or were never looked for. */
  whyMissing({ key }: Pick<DeviceWeights, 'key'>): string | undefined {
    return this.#missing.get(key);
  }

  /**
   * Loads what is missing and runs each model at each profiled batch size, because ready means warmed up. Completes when all are ready;
   * errors with ConfigError when they do not fit into memory, or when one is unavailable or cannot be loaded or run.
   */
  load(wanted: readonly DeviceWeights[]): Observable<never> {
    return defer(() => {
      const missing = wanted.filter((weights) => !this.has(weights));
      if (missing.length > 0) this.#checkMemory(missing);
      return from(missing).pipe(concatMap((weights) => this.#loadOne(weights)));
    });
  }

  unload({ key, model }: DeviceWeights): Observable<never> {
    this.#ready.delete(key);
    return this.#backend
      .unload(key)
      .pipe(tap({ complete: () => this.#log.info({ model, key }, 'unloaded a replica') }), ignoreElements());
  }

  #checkMemory(missing: readonly DeviceWeights[]): void {
    const { device, memoryBytes } = this.#options;
    const total = [...this.ready, ...missing].reduce((sum, weights) => sum + weights.memoryBytes, 0);
    if (total <= memoryBytes) return;
    const named = (of: readonly DeviceWeights[]): string =>
      of.map((weights) => `${weights.model} ${mebibytes(weights.memoryBytes)}`).join(', ') || 'nothing';
    throw new ConfigError(
      `device ${device} has ${mebibytes(memoryBytes)} for replicas: ${named(missing)} do not fit alongside ${named(this.ready)}`,
    );
  }

  #loadOne(weights: DeviceWeights): Observable<never> {
    const { key, model } = weights;
    // An emulated device needs no warm-up, and its batches may take seconds.
    const warmUp$ = this.#backend.emulated
      ? EMPTY
      : this.#warmUp(weights).pipe(catchError((error) => this.#unloadFailed(key, error)));
    return concat(weights.file$.pipe(concatMap((file) => this.#backend.load(file))), warmUp$).pipe(
      tap({
        complete: () => {
          this.#ready.set(key, weights);
          this.#missing.delete(key);
          this.#log.info({ model, key }, 'replica is ready');
        },
        error: (error) => {
          if (error instanceof WeightsMissingError) this.#missing.set(key, error.message);
        },
      }),
      ignoreElements(),
    );
  }

  /** Otherwise it would occupy memory that nobody counts. */
  #unloadFailed(key: string, error: unknown): Observable<never> {
    return concat(
      this.#backend.unload(key).pipe(
        ignoreElements(),
        catchError(() => EMPTY),
      ),
      throwError(() => error),
    );
  }

  #warmUp({ model, key, profiled: { batch, ms } }: DeviceWeights): Observable<BatchOutput> {
    const { device, warmUp } = this.#options;
    const [typical, ...larger] = warmUp;
    return concat(
      from(batch).pipe(concatMap((size, i) => this.#warmUpAt({ model, key }, size, ms[i], typical))),
      from(larger).pipe(concatMap((sample) => this.#backend.run(key, [sample]))),
    ).pipe(
      catchError((error) => {
        if (error instanceof CascadeError && error.code === 'UNAVAILABLE') throw error;
        throw new ConfigError(
          `device ${device} cannot run model ${model} on samples that it was profiled with: ${messageOf(error)}; ` +
            'run `cascade profile` again on this machine',
        );
      }),
    );
  }

  /** The first run of a size allocates; the second is compared with the profile, which contains the time on the inference thread. */
  #warmUpAt(
    { model, key }: Pick<DeviceWeights, 'model' | 'key'>,
    size: number,
    profiledMs: number,
    sample: Sample,
  ): Observable<BatchOutput> {
    const batch = new Array<Sample>(size).fill(sample);
    return concat(this.#backend.run(key, batch), this.#backend.run(key, batch)).pipe(
      last(),
      tap(({ computeMs }) => {
        if (computeMs <= SHORTEST_TOLD_MS || computeMs <= SLOWER_THAN_PROFILE * profiledMs) return;
        this.#log.warn(
          { model, batch: size, computeMs, profiledMs },
          'slower than profiled; unless something else uses this device now, run `cascade profile` again on this machine',
        );
      }),
    );
  }
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
