import { Observable } from 'rxjs';
import { Ring } from '../../engine/collections/ring.ts';
import { openSupply, type Source } from './supply.ts';

/** Starts the work on an item and calls `done` once, with the result. Returns a function that cancels it. */
export type Work<T, R> = (item: T, done: (result: R) => void) => () => void;

/**
 * Works on at most `concurrency` items at once and takes the next one from the source only when one has finished, so that an iterable is
 * read no faster than it is processed. (`mergeMap` over `from(iterable)` reads all of it into memory.) With `ordered`, results are
 * emitted in the order of the items, and a result that waits for its turn counts as unfinished.
 */
export function mergeBounded<T, R>(
  source: Source<T>,
  work: Work<T, R>,
  { concurrency, ordered }: { concurrency: number; ordered: boolean },
): Observable<R> {
  return new Observable((subscriber) => {
    const supply = openSupply(source, pump, (error) => subscriber.error(error));
    const cancellations = new Set<() => void>();
    const inOrder = new Ring<{ result: R | undefined; finished: boolean }>();
    let unfinished = 0;
    let pumping = false;

    function pump(): void {
      // Results may come while work is being started; the loop below then continues.
      if (pumping) return;
      pumping = true;
      while (unfinished < concurrency && !subscriber.closed) {
        const next = supply.take();
        if (next === undefined) break;
        start(next.item);
      }
      pumping = false;
      if (unfinished === 0 && supply.ended()) subscriber.complete();
    }

    function start(item: T): void {
      unfinished++;
      const slot = { result: undefined as R | undefined, finished: false };
      if (ordered) inOrder.push(slot);
      let cancel: (() => void) | undefined;
      cancel = work(item, (result) => {
        slot.finished = true;
        slot.result = result;
        if (cancel !== undefined) cancellations.delete(cancel);
        if (ordered) emitInOrder();
        else emit(result);
        pump();
      });
      if (!slot.finished) cancellations.add(cancel);
    }

    function emitInOrder(): void {
      for (let first = inOrder.peek(); first?.finished; first = inOrder.peek()) {
        inOrder.shift();
        emit(first.result as R);
      }
    }

    function emit(result: R): void {
      unfinished--;
      subscriber.next(result);
    }

    pump();
    return () => {
      supply.close();
      for (const cancel of cancellations) cancel();
    };
  });
}
