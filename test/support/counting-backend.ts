import type { Backend } from '../../engine/backend/backend.ts';
import type { Clock } from '../../engine/clock.ts';
import { scriptedBackend } from './plane.ts';

/** Counts samples that models have started to compute, by model and by label. */
export class Computed {
  readonly #counts = new Map<string, number>();

  of(model: string, label: number): number {
    return this.#counts.get(`${model} ${label}`) ?? 0;
  }

  /** A scripted backend that counts its samples here. */
  backend(clock: Clock, models: readonly string[], batchMs: (model: number, size: number) => number): Backend {
    const scripted = scriptedBackend(clock, models, batchMs);
    return {
      ...scripted,
      run: (model, batch, outputs) => {
        for (const [{ data }] of batch) {
          const key = `${model} ${data[0]}`;
          this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
        }
        return scripted.run(model, batch, outputs);
      },
    };
  }
}
