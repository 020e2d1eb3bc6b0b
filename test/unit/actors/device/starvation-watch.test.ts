import { expect, test } from 'vitest';
import { StarvationWatch } from '../../../../actors/device/starvation-watch.ts';

const THREAD = 7;

/** A watch over a thread with these total waiting times. */
function watched() {
  const state: { starvedMs: number | undefined } = { starvedMs: 1_000 };
  const asked: number[] = [];
  const watch = new StarvationWatch((thread) => {
    asked.push(thread);
    return state.starvedMs;
  });
  return { watch, state, asked };
}

test('the share covers the time since the last reading', () => {
  const { watch, state, asked } = watched();
  expect(watch.share(THREAD, 5_000), 'what was before the first look').toBeNull();
  state.starvedMs = 1_040;
  expect(watch.share(THREAD, 5_100)).toBeCloseTo(0.4);
  expect(watch.share(THREAD, 5_200)).toBe(0);
  expect(asked).toEqual([THREAD, THREAD, THREAD]);
});

test('two quick readings give the same share: the new time counts in the next', () => {
  const { watch, state } = watched();
  watch.share(THREAD, 0);
  state.starvedMs = 1_050;
  expect(watch.share(THREAD, 100)).toBeCloseTo(0.5);
  state.starvedMs = 1_075;
  expect(watch.share(THREAD, 125)).toBeCloseTo(0.5);
  expect(watch.share(THREAD, 200)).toBeCloseTo(0.25);
});

test('the share is unknown without a thread or on a system that does not count', () => {
  const { watch, state } = watched();
  expect(watch.share(undefined, 0)).toBeNull();
  state.starvedMs = undefined;
  expect(watch.share(THREAD, 100)).toBeNull();
});

test('a share stays between 0 and 1, despite rounding errors or a new thread', () => {
  const { watch, state } = watched();
  watch.share(THREAD, 0);
  state.starvedMs = 1_101;
  expect(watch.share(THREAD, 100)).toBe(1);
  state.starvedMs = 3;
  expect(watch.share(8, 200)).toBe(0);
  state.starvedMs = 53;
  expect(watch.share(8, 300)).toBeCloseTo(0.5);
});
