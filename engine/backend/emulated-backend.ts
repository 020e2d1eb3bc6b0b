import { defer, Observable, of } from 'rxjs';
import type { Clock } from '../clock.ts';
import { CascadeError, ConfigError } from '../errors.ts';
import type { Sample, TensorSpec } from '../tensor/tensor.ts';
import type { Backend, BatchOutput, ModelFile, ModelInterface } from './backend.ts';

/** A model that is not run: how long a batch would take, and its recorded answers. */
export interface EmulatedModel {
  readonly name: string;
  runtimeMs(batch: readonly Sample[]): number;
  /** The recorded class of a sample, by its index in the records. */
  labelOf(record: number): number;
  /** The recorded auxiliary output; NaN if none was recorded. */
  auxiliaryOf(record: number): number;
  /** The recorded scores, one per class, for tasks whose answer is more than a class. */
  scoresOf?(record: number): Float32Array;
}

export interface EmulatedOptions {
  readonly clock: Clock;
  /** Models that may be loaded. */
  readonly models: readonly EmulatedModel[];
  readonly inputs: readonly TensorSpec[];
  readonly classes: number;
  /** Current factor on the recorded runtimes; default: 1. */
  readonly slowdown?: () => number;
  /** Index of the record that answers for a sample. */
  readonly recordOf: (sample: Sample) => number;
}

/**
 * Operating system timers fire up to a millisecond or two late. If a batch was late and another follows at once, that one ends
 * earlier by as much; otherwise a busy device with batches of half a millisecond would be emulated at a third of its speed. The
 * correction is limited to this: a process that stalled for longer did not compute in the meantime. Under a virtual clock nothing
 * is late.
 */
const MOST_LATE_MS = 2;

/**
 * Emulates a device: waits for as long as a batch would take, then answers with recorded results, one batch at a time. The scores
 * encode the recorded label. There is no warm-up, because nothing gets warm.
 */
export function createEmulatedBackend(options: EmulatedOptions): Backend {
  return new EmulatedBackend(options);
}

class EmulatedBackend implements Backend {
  readonly emulated = true;
  readonly #options: EmulatedOptions;
  readonly #loaded = new Map<string, EmulatedModel>();
  /** When the last batch ended, and how late it was. */
  #endedAt = Number.NEGATIVE_INFINITY;
  #lateMs = 0;
  #closed = false;

  constructor(options: EmulatedOptions) {
    this.#options = options;
  }

  load({ name, key = name }: ModelFile): Observable<ModelInterface> {
    return defer(() => {
      const model = this.#options.models.find((known) => known.name === name);
      if (model === undefined) throw new ConfigError(`model ${name}: there are no records of it; profile it again`);
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
