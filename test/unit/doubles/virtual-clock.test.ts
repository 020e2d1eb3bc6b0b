import fc from 'fast-check';
import { expect, it } from 'vitest';
import { VirtualClock } from '../../doubles/virtual-clock.ts';

it('runs nothing before its time, and stops at the time it was run to', () => {
  const clock = new VirtualClock(1_000);
  const seen: number[] = [];
  clock.after(10, () => seen.push(clock.now()));
  clock.runUntil(1_009);
  expect([seen, clock.now()]).toEqual([[], 1_009]);
  clock.runUntil(1_010);
  expect([seen, clock.now()]).toEqual([[1_010], 1_010]);
});

it('runs callbacks by time, and those at the same time in the order they were scheduled', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(5), { maxLength: 50 }), (delays) => {
      const clock = new VirtualClock();
      const seen: { at: number; index: number }[] = [];
      for (const [index, delay] of delays.entries()) clock.after(delay, () => seen.push({ at: clock.now(), index }));
      clock.runUntil(5);
      const expected = delays.map((at, index) => ({ at, index })).sort((a, b) => a.at - b.at || a.index - b.index);
      expect(seen).toEqual(expected);
    }),
  );
});

it('runs callbacks that callbacks schedule, for the same time and later', () => {
  const clock = new VirtualClock();
  const seen: string[] = [];
  clock.after(1, () => {
    clock.after(0, () => seen.push(`now ${clock.now()}`));
    clock.after(2, () => seen.push(`later ${clock.now()}`));
  });
  clock.runUntil(3);
  expect(seen).toEqual(['now 1', 'later 3']);
});

it('does not run cancelled callbacks', () => {
  const clock = new VirtualClock();
  const seen: string[] = [];
  const cancel = clock.after(1, () => seen.push('cancelled'));
  clock.after(1, () => seen.push('kept'));
  cancel();
  clock.runUntil(1);
  cancel();
  expect(seen).toEqual(['kept']);
});

it('says that nothing is left', () => {
  const clock = new VirtualClock();
  expect(clock.step()).toBe(false);
  clock.after(7, () => undefined);
  expect(clock.step()).toBe(true);
  expect(clock.now()).toBe(7);
  expect(clock.step()).toBe(false);
});

it('never goes back: a negative delay counts as zero', () => {
  const clock = new VirtualClock(5);
  clock.after(-3, () => undefined);
  clock.step();
  expect(clock.now()).toBe(5);
  clock.runUntil(1);
  expect(clock.now()).toBe(5);
});
