import { take } from 'rxjs';
import { describe, expect, it, vi } from 'vitest';
import { every, realClock } from '../../../engine/clock.ts';
import { VirtualClock } from '../../doubles/virtual-clock.ts';

describe('every', () => {
  it('counts the periods, the first after one period', () => {
    const clock = new VirtualClock();
    const seen: [number, number][] = [];
    every(clock, 100).subscribe((n) => seen.push([clock.now(), n]));
    clock.runUntil(350);
    expect(seen).toEqual([
      [100, 0],
      [200, 1],
      [300, 2],
    ]);
  });

  it('leaves no timer behind when unsubscribed, from outside or by its own value', () => {
    const clock = new VirtualClock();
    const seen: number[] = [];
    const subscription = every(clock, 100).subscribe((n) => seen.push(n));
    every(clock, 100)
      .pipe(take(1))
      .subscribe({ next: (n) => seen.push(n) });
    clock.runUntil(100);
    subscription.unsubscribe();
    clock.runUntil(1_000);
    expect(seen).toEqual([0, 0]);
    while (clock.step());
    expect(clock.now()).toBe(1_000);
  });

  it('does not drift when its callbacks are late', () => {
    const lateBy = [0, 30, 0, 250, 0, 0];
    const dues: number[] = [];
    let now = 0;
    let scheduled: { at: number; fn: () => void } | undefined;
    const clock = {
      now: () => now,
      soon: () => undefined,
      after: (delayMs: number, fn: () => void) => {
        scheduled = { at: now + delayMs, fn };
        return () => undefined;
      },
    };
    every(clock, 100).subscribe();
    for (const late of lateBy) {
      const { at, fn } = scheduled!;
      dues.push(at);
      now = at + late;
      fn();
    }
    // A delay of 30 ms is made up for; the periods missed in 250 ms are skipped.
    expect(dues).toEqual([100, 200, 300, 400, 650, 750]);
  });
});

describe('the real clock', () => {
  it('gives the time since 1970 and never goes back', () => {
    const first = realClock.now();
    expect(Math.abs(first - Date.now())).toBeLessThan(1_000);
    expect(realClock.now()).toBeGreaterThanOrEqual(first);
  });

  it('calls after the current turn, in order, unless cancelled', async () => {
    const seen: string[] = [];
    await new Promise<void>((resolve) => {
      realClock.after(0, () => seen.push('first'));
      realClock.after(0, () => seen.push('cancelled'))();
      realClock.after(5, () => seen.push('cancelled'))();
      realClock.after(0, () => seen.push('second'));
      realClock.after(10, resolve);
      seen.push('turn');
    });
    expect(seen).toEqual(['turn', 'first', 'second']);
  });

  it('waits longer than a timer of Node can, unless cancelled', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const seen: string[] = [];
      realClock.after(5e9, () => seen.push('called'));
      realClock.after(Number.POSITIVE_INFINITY, () => seen.push('never'));
      const cancel = realClock.after(5e9, () => seen.push('cancelled'));
      vi.advanceTimersByTime(3e9);
      cancel();
      vi.advanceTimersByTime(2e9 - 1);
      expect(seen).toEqual([]);
      vi.advanceTimersByTime(1);
      expect(seen).toEqual(['called']);
      vi.advanceTimersByTime(1e10);
      expect(seen).toEqual(['called']);
    } finally {
      vi.useRealTimers();
    }
  });

  it('calls soon after the running code, before anything that is due', async () => {
    const seen: string[] = [];
    await new Promise<void>((resolve) => {
      realClock.after(0, () => {
        seen.push('due');
        resolve();
      });
      realClock.soon(() => seen.push('soon'));
      seen.push('code');
    });
    expect(seen).toEqual(['code', 'soon', 'due']);
  });
});
