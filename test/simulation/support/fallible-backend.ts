import { NEVER, Observable } from 'rxjs';
import type { Backend, BatchOutput } from '../../../engine/backend/backend.ts';
import { createEmulatedBackend } from '../../../engine/backend/emulated-backend.ts';
import type { Clock } from '../../../engine/clock.ts';
import { CascadeError } from '../../../engine/errors.ts';
import type { Shape } from './fault-plan.ts';
import { CLASSES, certaintyOf, isPoison, labelOf, requestOf } from './records.ts';

/** The start of the message of every injected backend error. */
export const INJECTED = 'injected:';

/** Emulated devices that can be made to fail: on some samples, or with a worker that dies. */
export class FallibleBackends {
  readonly #shape: Shape;
  /** Devices whose worker dies in its next inference. */
  readonly #dying = new Set<string>();

  /** Devices whose next inference never returns. */
  readonly #hanging = new Set<string>();

  constructor(shape: Shape) {
    this.#shape = shape;
  }

  hangNext(device: string): void {
    this.#hanging.add(device);
  }

  killNext(device: string): void {
    this.#dying.add(device);
  }

  heal(): void {
    this.#dying.clear();
    this.#hanging.clear();
  }

  create(device: string, clock: Clock): Backend {
    const { plan, firstMs, moreMs, poison } = this.#shape;
    const backend = createEmulatedBackend({
      clock,
      models: plan.models.map((name, model) => ({
        name,
        runtimeMs: ({ length }) => firstMs[model] + (length - 1) * moreMs[model],
        labelOf: (request) => labelOf(request, model),
        auxiliaryOf: (request) => certaintyOf(request, model),
      })),
      inputs: [],
      classes: CLASSES,
      recordOf: requestOf,
    });
    return {
      emulated: true,
      load: (model) => backend.load(model),
      unload: (model) => backend.unload(model),
      close: () => backend.close(),
      run: (model, batch) => {
        if (this.#hanging.delete(device)) return NEVER;
        // Like a worker thread: by then, the device has sent everything it was about to send.
        if (this.#dying.delete(device))
          return new Observable((subscriber) =>
            clock.after(0, () => subscriber.error(new CascadeError('UNAVAILABLE', `${INJECTED} the worker died`))),
          );
        if (!batch.some((sample) => isPoison(requestOf(sample), poison))) return backend.run(model, batch);
        return failing(backend.run(model, batch));
      },
    };
  }
}

/** Fails at the time it would have ended. */
function failing(run$: Observable<BatchOutput>): Observable<BatchOutput> {
  return new Observable((subscriber) =>
    run$.subscribe({
      next: () => subscriber.error(new CascadeError('INTERNAL', `${INJECTED} the model cannot read a sample`)),
      error: (error) => subscriber.error(error),
    }),
  );
}
