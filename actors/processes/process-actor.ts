import { catchError, type Observable, tap, throwError } from 'rxjs';
import type { Actor } from '../../engine/actor/actor.ts';
import { type ChildSpec, childProcess$ } from '../../engine/process/child-process.ts';

export interface ProcessOptions extends ChildSpec {
  /** `device-cpu1`, `frontend-1` */
  readonly name: string;
  readonly description: string;
  readonly onReady: (pid: number) => void;
  /** The process ended without being asked to; it is started again after this. */
  readonly onEnded: (error: unknown) => void;
}

/**
 * Supervisor of one process of this host: an actor whose only pipeline is the process, so that a process that ends is started
 * again with the same back-off as any actor that dies.
 */
export function processActor(options: ProcessOptions): Actor {
  return {
    name: `host-of-${options.name}`,
    description: options.description,
    behaviour: ({ stopping$, log }): Observable<unknown> =>
      childProcess$(options, stopping$).pipe(
        tap((pid) => {
          log.info({ pid }, `${options.name} is ready`);
          options.onReady(pid);
        }),
        catchError((error) => {
          options.onEnded(error);
          return throwError(() => error);
        }),
      ),
  };
}
