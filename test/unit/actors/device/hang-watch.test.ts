import { expect, test } from 'vitest';
import { HangWatch } from '../../../../actors/device/hang-watch.ts';

const TICK_MS = 100;

/** Ticks until the inference counts as hung; returns the time. */
function hungAt(watch: HangWatch, from: number, to: number): number | undefined {
  for (let now = from + TICK_MS; now <= to; now += TICK_MS) if (watch.tick(now, false).hung) return now;
  return undefined;
}

test('an inference hangs after ten times its profiled time, and at least a second', () => {
  const watch = new HangWatch(TICK_MS, 0);
  watch.begin(10);
  expect(hungAt(watch, 0, 5_000)).toBe(1_100);
  watch.begin(300);
  expect(hungAt(watch, 1_100, 10_000)).toBe(1_100 + 3_100);
});

test('an inference that ends does not hang, nor does an idle device', () => {
  const watch = new HangWatch(TICK_MS, 0);
  watch.begin(10);
  expect(hungAt(watch, 0, 900)).toBeUndefined();
  watch.end();
  expect(hungAt(watch, 900, 60_000)).toBeUndefined();
});

test('time in which the whole process was paused or loaded a model does not count', () => {
  const watch = new HangWatch(TICK_MS, 0);
  watch.begin(10);
  expect(watch.tick(5_000, false)).toEqual({ sinceLastMs: 5_000, hung: false });
  for (let now = 5_100; now <= 15_000; now += TICK_MS) expect(watch.tick(now, true).hung).toBe(false);
  expect(hungAt(watch, 15_000, 20_000)).toBe(15_900);
});
