import { defer, Observable, of } from 'rxjs';
import type { Clock } from '../clock.ts';
import { CascadeError, ConfigError } from '../errors.ts';
import type { Sample, TensorSpec } from '../tensor/tensor.ts';
import type { Backend, BatchOutput, ModelFile, ModelInterface } from './backend.ts';

/** A model that is not run: how long a batch would take, and what was recorded of it. */
export interface EmulatedModel {
  readonly name: string;
  runtimeMs(batch: readonly Sample[]): number;
  /** Class that was recorded for a sample, by its index in the records. */
  labelOf(record: number): number;
  /** What was recorded of the auxiliary output; NaN where nothing was. */
  auxiliaryOf(record: number): number;
  /** The scores, where a class does not say them: as many as there are classes. */
  scoresOf?(record: number): Float32Array;
}

export interface EmulatedOptions {
  readonly clock: Clock;
  /** Models that may be loaded. */
  readonly models: readonly EmulatedModel[];
  readonly inputs: readonly TensorSpec[];
  readonly classes: number;
  /** How much slower than recorded the device is now; default: not at all. */
  readonly slowdown?: () => number;
  /** Index of the record that answers for a sample. */
  readonly recordOf: (sample: Sample) => number;
}

/**
 * Timers of the operating system fire up to a millisecond or two late. What a batch was late by, the next one is earlier by when
 * it follows at once: else a busy device with batches of half a millisecond would be emulated at a third of its speed. No more
 * than this, as a process that was held up for longer has not computed meanwhile. Under a virtual clock nothing is late.
 */
const MOST_LATE_MS = 2;

/**
 * A device in name only: waits as long as a batch would take and answers what was recorded, one batch at a time.
 * The scores say the recorded label, the auxiliary output comes beside them. Nothing is warmed up: there is nothing to get warm.
 */
export function createEmulatedBackend(options: EmulatedOptions): Backend {
  return new EmulatedBackend(options);
}

class EmulatedBackend implements Backend {
  readonly emulated = true;
  readonly #options: EmulatedOptions;
  readonly #loaded = new Map<string, EmulatedModel>();
  /** When the last batch ended, and how much later that was than due. */
  #endedAt = Number.NEGATIVE_INFINITY;
  #lateMs = 0;
  #closed = false;

  constructor(options: EmulatedOptions) {
    this.#options = options;
  }

  load({ name, key = name }: ModelFile): Observable<ModelInterface> {
    return defer(() => {
      const model = this.#options.models.find((known) => known.name === name);
      if (model === undefined) throw new ConfigError(`model ${name}: nothing is recorded of it; profile it again`);
      this.#loaded.set(key, model);
      return of({ inputs: this.#options.inputs, outputs: [] });
    });
  }

  run(key: string, batch: readonly Sample[]): Observable<BatchOutput> {
    const { clock } = this.#options;
    return new Observable((subscriber) => {
      const model = this.#loaded.get(key);
      if (this.#closed || model === undefined) {
        subscriber.error(
          this.#closed
            ? new CascadeError('UNAVAILABLE', 'the backend is closed')
            : new CascadeError('INTERNAL', `model ${key} is not loaded`),
        );
        return undefined;
      }
      const computeMs = model.runtimeMs(batch) * (this.#options.slowdown?.() ?? 1);
      const now = clock.now();
      const followsAtOnce = now - this.#endedAt <= MOST_LATE_MS;
      const dueAt = now + computeMs - (followsAtOnce ? Math.min(this.#lateMs, MOST_LATE_MS) : 0);
      return clock.after(dueAt - now, () => {
        this.#endedAt = clock.now();
        this.#lateMs = Math.max(0, this.#endedAt - dueAt);
        subscriber.next(this.#answers(model, batch, computeMs));
        subscriber.complete();
      });
    });
  }

  unload(key: string): Observable<void> {
    return defer(() => {
      this.#loaded.delete(key);
      return of(undefined);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #answers(model: EmulatedModel, batch: readonly Sample[], computeMs: number): BatchOutput {
    const { classes, recordOf } = this.#options;
    const scores = new Float32Array(batch.length * classes);
    const auxiliary = new Float32Array(batch.length);
    batch.forEach((sample, i) => {
      const record = recordOf(sample);
      if (model.scoresOf === undefined) scores[i * classes + model.labelOf(record)] = 1;
      else scores.set(model.scoresOf(record), i * classes);
      auxiliary[i] = model.auxiliaryOf(record);
    });
    return { scores, classes, auxiliary, computeMs };
  }
}
