import { Observable, take } from 'rxjs';

/** A listening server. */
export interface Listener {
  readonly url: string;
  /** Stops accepting; requests in progress have `graceMs` to finish. */
  close(graceMs: number): Promise<void>;
}

/** Listens while subscribed: emits the URL, and completes when drained. */
export function server$(listen: () => Promise<Listener>, stopping$: Observable<void>, graceMs: number): Observable<string> {
  return new Observable((subscriber) => {
    let close = (_graceMs: number): Promise<void> => Promise.resolve();
    const opening = listen().then(
      (listener) => {
        close = (grace) => listener.close(grace);
        if (subscriber.closed) void close(0);
        else subscriber.next(listener.url);
      },
      (error) => subscriber.error(error),
    );
    const stop = stopping$.pipe(take(1)).subscribe(async () => {
      await opening;
      await close(graceMs);
      subscriber.complete();
    });
    return () => {
      stop.unsubscribe();
      // No effect if already drained.
      void close(0);
    };
  });
}
