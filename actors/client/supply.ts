import { isObservable, type Observable } from 'rxjs';
import { Ring } from '../../engine/collections/ring.ts';

export type Source<T> = Observable<T> | Iterable<T> | AsyncIterable<T>;

/** Items to take one by one, from any source. */
export interface Supply<T> {
  /** Undefined when there is none now; `onMore` says when to try again. */
  take(): { readonly item: T } | undefined;
  /** True when there will be no more. */
  ended(): boolean;
  close(): void;
}

/**
 * @param onMore called when, after `take` returned nothing, an item arrives or the source ends; never before this returns.
 * @param onError called when the source fails, for example a generator that throws.
 */
export function openSupply<T>(source: Source<T>, onMore: () => void, onError: (error: unknown) => void): Supply<T> {
  if (isObservable(source)) return fromObservable(source, onMore, onError);
  if (Symbol.asyncIterator in source) return fromAsyncIterable(source, onMore, onError);
  return fromIterable(source, onError);
}

function fromIterable<T>(source: Iterable<T>, onError: (error: unknown) => void): Supply<T> {
  const iterator = source[Symbol.iterator]();
  let ended = false;
  return {
    take() {
      if (ended) return undefined;
      try {
        const next = iterator.next();
        if (!next.done) return { item: next.value };
        ended = true;
      } catch (error) {
        ended = true;
        onError(error);
      }
      return undefined;
    },
    ended: () => ended,
    close() {
      if (!ended) iterator.return?.();
      ended = true;
    },
  };
}

function fromAsyncIterable<T>(source: AsyncIterable<T>, onMore: () => void, onError: (error: unknown) => void): Supply<T> {
  const iterator = source[Symbol.asyncIterator]();
  let ready: { item: T } | undefined;
  let asking = false;
  let ended = false;

  function onNext(next: IteratorResult<T>): void {
    asking = false;
    if (ended) return;
    if (next.done) ended = true;
    else ready = { item: next.value };
    onMore();
  }

  return {
    take() {
      const taken = ready;
      ready = undefined;
      if (taken === undefined && !asking && !ended) {
        asking = true;
        iterator.next().then(onNext, (error) => {
          ended = true;
          onError(error);
        });
      }
      return taken;
    },
    ended: () => ended,
    close() {
      if (!ended) void iterator.return?.();
      ended = true;
    },
  };
}

/** An Observable cannot be paused: items that come faster than they are taken are buffered without a bound. */
function fromObservable<T>(source: Observable<T>, onMore: () => void, onError: (error: unknown) => void): Supply<T> {
  const waiting = new Ring<{ item: T }>();
  let completed = false;
  let open = false;
  const subscription = source.subscribe({
    next: (item) => {
      waiting.push({ item });
      if (open) onMore();
    },
    error: onError,
    complete: () => {
      completed = true;
      if (open) onMore();
    },
  });
  open = true;
  return { take: () => waiting.shift(), ended: () => completed && waiting.length === 0, close: () => subscription.unsubscribe() };
}
