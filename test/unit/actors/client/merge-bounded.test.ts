import fc from 'fast-check';
import { from, lastValueFrom, Subject, take, throwError, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { mergeBounded } from '../../../../actors/client/merge-bounded.ts';
import { createRandom } from '../../../../engine/random.ts';
import { VirtualClock } from '../../../doubles/virtual-clock.ts';

describe('work on many items', () => {
  it('loses none, repeats none, and keeps to the concurrency, and to the order if asked', () => {
    const cases = fc.record({
      n: fc.nat(40),
      concurrency: fc.integer({ min: 1, max: 10 }),
      ordered: fc.boolean(),
      seed: fc.nat(),
      kind: fc.constantFrom('iterable' as const, 'observable' as const),
    });
    fc.assert(
      fc.property(cases, ({ n, concurrency, ordered, seed, kind }) => {
        const clock = new VirtualClock();
        const random = createRandom(seed);
        const items = Array.from({ length: n }, (_, i) => i);
        let underWay = 0;
        let most = 0;
        const results: number[] = [];
        let completed = false;
        mergeBounded(
          kind === 'iterable' ? items : from(items),
          (item: number, done: (result: number) => void) => {
            most = Math.max(most, ++underWay);
            const finish = (): void => {
              underWay--;
              done(item);
            };
            // Some are refused at once.
            if (random.next() < 0.2) finish();
            else return clock.after(random.below(10), finish);
            return () => undefined;
          },
          { concurrency, ordered },
        ).subscribe({ next: (item) => results.push(item), complete: () => (completed = true) });
        clock.runUntil(1_000);
        expect(completed).toBe(true);
        expect(most).toBeLessThanOrEqual(concurrency);
        expect(ordered ? results : [...results].sort((a, b) => a - b)).toEqual(items);
      }),
    );
  });

  it('counts a result waiting for its turn as unfinished, so that memory is bounded', () => {
    const finish = new Map<number, () => void>();
    const started: number[] = [];
    const work = (item: number, done: (result: number) => void) => {
      started.push(item);
      finish.set(item, () => done(item));
      return () => undefined;
    };
    mergeBounded([0, 1, 2, 3, 4], work, { concurrency: 2, ordered: true }).subscribe();
    finish.get(1)?.();
    expect(started).toEqual([0, 1]);
    finish.get(0)?.();
    expect(started).toEqual([0, 1, 2, 3]);
  });

  it('cancels what is under way and closes the iterable when unsubscribed', () => {
    const cancelled: number[] = [];
    let closed = false;
    function* items() {
      try {
        for (let i = 0; ; i++) yield i;
      } finally {
        closed = true;
      }
    }
    const work = (item: number) => () => void cancelled.push(item);
    mergeBounded(items(), work, { concurrency: 3, ordered: false }).subscribe().unsubscribe();
    expect([cancelled, closed]).toEqual([[0, 1, 2], true]);
  });

  it('stops reading an endless iterable when its consumer has enough, even if all work is instant', async () => {
    function* endless() {
      for (let i = 0; ; i++) yield i;
    }
    const instant = (item: number, done: (result: number) => void) => {
      done(item);
      return () => undefined;
    };
    const three = mergeBounded(endless(), instant, { concurrency: 4, ordered: true }).pipe(take(3), toArray());
    expect(await lastValueFrom(three)).toEqual([0, 1, 2]);
  });

  it('passes on the failure of its source', async () => {
    const idle = () => () => undefined;
    const failure = new Error('source');
    // biome-ignore lint/correctness/useYield: it throws before it yields
    function* failing(): Generator<number> {
      throw failure;
    }
    async function* failingLater(): AsyncGenerator<number> {
      yield 1;
      throw failure;
    }
    const options = { concurrency: 2, ordered: false };
    for (const source of [failing(), failingLater(), throwError(() => failure)]) {
      await expect(lastValueFrom(mergeBounded(source, idle, options))).rejects.toBe(failure);
    }
  });

  it('buffers what an Observable emits before there is room', () => {
    const source = new Subject<number>();
    const dones: (() => void)[] = [];
    const started: number[] = [];
    const work = (item: number, done: (result: number) => void) => {
      started.push(item);
      dones.push(() => done(item));
      return () => undefined;
    };
    mergeBounded(source, work, { concurrency: 1, ordered: false }).subscribe();
    for (const item of [1, 2, 3]) source.next(item);
    expect(started).toEqual([1]);
    dones[0]();
    expect(started).toEqual([1, 2]);
  });
});
