import { expect, test } from 'vitest';
import { StarvationWatch } from '../../../../actors/device/starvation-watch.ts';

const THREAD = 7;

/** A watch over a thread that has waited for so long in all, by the last of the given times. */
function watched() {
  const state: { starvedMs: number | undefined } = { starvedMs: 1_000 };
  const asked: number[] = [];
  const watch = new StarvationWatch((thread) => {
    asked.push(thread);
    return state.starvedMs;
  });
  return { watch, state, asked };
}

test('the share is that of the time since the last look', () => {
  const { watch, state, asked } = watched();
  expect(watch.share(THREAD, 5_000), 'what was before the first look').toBeNull();
  state.starvedMs = 1_040;
  expect(watch.share(THREAD, 5_100)).toBeCloseTo(0.4);
  expect(watch.share(THREAD, 5_200)).toBe(0);
  expect(asked).toEqual([THREAD, THREAD, THREAD]);
});

test('two looks in short succession give one share: what is new counts for the next', () => {
  const { watch, state } = watched();
  watch.share(THREAD, 0);
  state.starvedMs = 1_050;
  expect(watch.share(THREAD, 100)).toBeCloseTo(0.5);
  state.starvedMs = 1_075;
  expect(watch.share(THREAD, 125)).toBeCloseTo(0.5);
  expect(watch.share(THREAD, 200)).toBeCloseTo(0.25);
});

test('nobody can tell of no thread, nor where the system does not count', () => {
  const { watch, state } = watched();
  expect(watch.share(undefined, 0)).toBeNull();
  state.starvedMs = undefined;
  expect(watch.share(THREAD, 100)).toBeNull();
});

test('a share is one, at rounding errors and after another thread has taken over', () => {
  const { watch, state } = watched();
  watch.share(THREAD, 0);
  state.starvedMs = 1_101;
  expect(watch.share(THREAD, 100)).toBe(1);
  state.starvedMs = 3;
  expect(watch.share(8, 200)).toBe(0);
  state.starvedMs = 53;
  expect(watch.share(8, 300)).toBeCloseTo(0.5);
});
