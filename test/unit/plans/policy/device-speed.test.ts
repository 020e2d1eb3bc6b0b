import { expect, test } from 'vitest';
import { DeviceSpeed } from '../../../../plans/policy/device-speed.ts';

/** Runs batches back to back for some time; returns the end of the last one. */
function busy(speed: DeviceSpeed, fromMs: number, forMs: number, profiledMs: number, factor: number): number {
  let now = fromMs;
  while (now < fromMs + forMs) {
    now += factor * profiledMs;
    speed.observe(profiledMs, factor * profiledMs, now);
  }
  return now;
}

test('without evidence a device counts as profiled', () => {
  expect(new DeviceSpeed().slowdown(12_345)).toBe(1);
});

test('batches that take as long as profiled leave the slowdown at exactly 1, whenever they run', () => {
  const speed = new DeviceSpeed();
  const end = busy(speed, 0, 500, 3, 1);
  expect(speed.slowdown(end)).toBe(1);
  expect(speed.slowdown(end + 77)).toBe(1);
});

test('a device at half its speed is recognised within two tenths of a second', () => {
  const speed = new DeviceSpeed();
  const slowFrom = busy(speed, 0, 1_000, 2, 1);
  const end = busy(speed, slowFrom, 200, 2, 2);
  expect(speed.slowdown(end)).toBeGreaterThan(1.4);
  expect(speed.slowdown(busy(speed, end, 1_000, 2, 2))).toBeGreaterThan(1.85);
});

test('five batches give most of the evidence', () => {
  const speed = new DeviceSpeed();
  for (let i = 1; i <= 5; i++) speed.observe(4, 8, 8 * i);
  expect(speed.slowdown(40)).toBeGreaterThan(1.6);
});

test('a batch that hung says little about the others', () => {
  const speed = new DeviceSpeed();
  const end = busy(speed, 0, 500, 2, 1);
  speed.observe(2, 5_000, end + 10);
  expect(speed.slowdown(end + 10)).toBeLessThan(1.1);
});

test('evidence fades: an idle device counts as profiled', () => {
  const speed = new DeviceSpeed();
  const end = busy(speed, 0, 1_000, 2, 3);
  expect(speed.slowdown(end)).toBeGreaterThan(2.5);
  expect(speed.slowdown(end + 3_000)).toBeCloseTo(1, 2);
});

test('tiny batches with cold caches do not make a device look slow', () => {
  const speed = new DeviceSpeed();
  for (let i = 1; i <= 200; i++) speed.observe(0.05, 0.14, 5 * i);
  expect(speed.slowdown(1_000)).toBe(1);
});

test('a faster device is recognised, too', () => {
  const speed = new DeviceSpeed();
  expect(speed.slowdown(busy(speed, 0, 1_000, 2, 0.7))).toBeCloseTo(0.7, 1);
});

test('reading does not change later readings', () => {
  const [read, unread] = [new DeviceSpeed(), new DeviceSpeed()];
  for (const speed of [read, unread]) speed.observe(4, 9, 10);
  for (let now = 10; now < 200; now += 7) read.slowdown(now);
  expect(read.slowdown(200)).toBe(unread.slowdown(200));
});
