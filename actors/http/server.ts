import type { Hono } from 'hono';
import { Observable } from 'rxjs';
import type { HttpAddress } from './address.ts';
import { type HttpListener, listenHttp } from './listen.ts';

/** An HTTP server as a stream: emits when it is listening, never completes, and closes when unsubscribed. Errors like `listenHttp`. */
export function httpServer$(app: Pick<Hono, 'fetch'>, address: HttpAddress, what: string): Observable<HttpListener> {
  return new Observable((subscriber) => {
    const listening = listenHttp(app, address, what);
    listening.then(
      (listener) => subscriber.next(listener),
      (error) => subscriber.error(error),
    );
    return () => {
      void listening.then(
        (listener) => listener.close(),
        () => undefined,
      );
    };
  });
}
