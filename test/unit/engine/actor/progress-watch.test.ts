import { expect, test } from 'vitest';
import { ProgressWatch } from '../../../../engine/actor/progress-watch.ts';

const watchFrom = (now: number): ProgressWatch => new ProgressWatch({ checkMs: 250, silentMs: 2_000 }, now);

test('one that is heard makes progress; one that is silent for two seconds does not', () => {
  const watch = watchFrom(0);
  for (let now = 250; now <= 10_000; now += 250) {
    expect(watch.check(now)).toBe(false);
    watch.heard();
  }
  for (let now = 10_250; now <= 12_000; now += 250) expect(watch.check(now), `at ${now}`).toBe(false);
  expect(watch.check(12_250)).toBe(true);
});

test('a watcher that was paused itself concludes nothing, and gives the other side its time again', () => {
  const watch = watchFrom(0);
  for (let now = 250; now <= 1_750; now += 250) expect(watch.check(now)).toBe(false);
  expect(watch.check(60_000)).toBe(false);
  for (let now = 60_250; now <= 62_000; now += 250) expect(watch.check(now), `at ${now}`).toBe(false);
  expect(watch.check(62_250)).toBe(true);
});
