import { catchError, concat, defer, map, type Observable, of, throwError } from 'rxjs';
import type { Backend, BatchOutput } from '../../engine/backend/backend.ts';
import { CascadeError } from '../../engine/errors.ts';
import type { BatchOrder, SpareOrder } from './orders.ts';

/** How an inference ended. */
export type Ended =
  | { readonly type: 'done'; readonly order: BatchOrder; readonly output: BatchOutput }
  | { readonly type: 'failed'; readonly order: BatchOrder; readonly error: unknown }
  | { readonly type: 'spare'; readonly output: BatchOutput | undefined }
  /** The backend died; an error follows. */
  | { readonly type: 'died' };

/**
 * Runs an inference.
 * @param beforeTrial$ completes when an order with `isTrial` may run.
 */
export function ended$(backend: Backend, order: BatchOrder | SpareOrder, beforeTrial$: Observable<never>): Observable<Ended> {
  return run$(backend, order, beforeTrial$).pipe(
    catchError((error): Observable<Ended> => {
      if (error instanceof CascadeError && error.code === 'UNAVAILABLE')
        return concat(
          of<Ended>({ type: 'died' }),
          throwError(() => error),
        );
      return of<Ended>(order.type === 'spare' ? { type: 'spare', output: undefined } : { type: 'failed', order, error });
    }),
  );
}

function run$(backend: Backend, order: BatchOrder | SpareOrder, beforeTrial$: Observable<never>): Observable<Ended> {
  if (order.type === 'spare')
    return backend.run(order.key, [order.sample]).pipe(map((output): Ended => ({ type: 'spare', output })));
  const batch$ = defer(() => backend.run(order.weights.key, order.samples, order.outputs)).pipe(
    map((output): Ended => ({ type: 'done', order, output })),
  );
  return order.isTrial ? concat(beforeTrial$, batch$) : batch$;
}
