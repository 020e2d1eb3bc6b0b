import { NEVER } from 'rxjs';
import type { Backend } from '../../engine/backend/backend.ts';
import type { Clock } from '../../engine/clock.ts';
import type { Sample } from '../../engine/tensor/tensor.ts';
import { scriptedBackend } from './plane.ts';

/** The certainty of the first model, in a TestSample, that keeps a batch from coming back. */
export const KILLER = 77;

/** A scripted backend that hangs in each batch with a killer in it. */
export function hangingBackend(clock: Clock, models: readonly string[], onHang: (batch: number) => void): Backend {
  const backend = scriptedBackend(clock, models, (_, size) => 2 * size);
  const kills = (batch: readonly Sample[]): boolean => batch.some(([{ data }]) => data[1] === KILLER);
  return {
    ...backend,
    run: (model, batch) => {
      if (!kills(batch)) return backend.run(model, batch);
      onHang(batch.length);
      return NEVER;
    },
  };
}
