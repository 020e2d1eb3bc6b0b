import { NEVER } from 'rxjs';
import type { Backend } from '../../engine/backend/backend.ts';
import type { Clock } from '../../engine/clock.ts';
import type { Sample } from '../../engine/tensor/tensor.ts';
import { scriptedBackend } from './plane.ts';

/** A TestSample with this certainty for the first model makes its batch hang. */
export const KILLER = 77;

/** A scripted backend that hangs in every batch that contains a killer. */
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
