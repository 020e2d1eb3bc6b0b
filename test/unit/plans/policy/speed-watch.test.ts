import { expect, test } from 'vitest';
import { SpeedWatch } from '../../../../plans/policy/speed-watch.ts';
import type { SpeedReport } from '../../../../plans/protocol/events.ts';

/** Heartbeats every 100 ms from a device that computes for a share of the time. */
class Device {
  readonly watch = new SpeedWatch();
  readonly told: { at: number; report: SpeedReport }[] = [];
  now = 0;
  #busyMs = 0;

  beats(seconds: number, slowdown: number | (() => number), busyShare = 0.5, starvedShare: number | null = null): void {
    for (const end = this.now + 1_000 * seconds; this.now < end; ) {
      this.now += 100;
      this.#busyMs += 100 * busyShare;
      const factor = typeof slowdown === 'number' ? slowdown : slowdown();
      const report = this.watch.observe({ slowdown: factor, starvedShare, busyMs: this.#busyMs }, this.now);
      if (report !== undefined) this.told.push({ at: this.now, report });
    }
  }

  restart(): void {
    this.#busyMs = 0;
  }

  get states(): string[] {
    return this.told.map(({ report }) => report.state);
  }
}

test('a device that becomes slow is reported once, within two seconds, with its start time; so is its recovery', () => {
  const device = new Device();
  device.beats(10, 1.02);
  device.beats(20, 2);
  device.beats(20, 1);
  expect(device.states).toEqual(['slow', 'as-profiled']);
  const [slow, again] = device.told;
  expect(slow.at).toBeLessThanOrEqual(12_000);
  expect(slow.report.slowdown).toBeGreaterThan(1.8);
  expect(slow.report.since).toBeGreaterThan(10_000);
  expect(slow.report.since).toBeLessThanOrEqual(10_500);
  expect(again.at).toBeGreaterThanOrEqual(33_000);
  expect(again.at).toBeLessThanOrEqual(35_000);
  expect(again.report.since).toBe(again.at - 3_000);
  expect(device.watch.report).toMatchObject({ state: 'as-profiled', since: again.report.since });
});

test('a slowdown shorter than a second is not reported', () => {
  const device = new Device();
  for (let i = 0; i < 10; i++) {
    device.beats(0.5, 2);
    device.beats(3, 1);
  }
  expect(device.told).toEqual([]);
});

test('between the two bounds nothing is reported: neither a slowdown nor a recovery', () => {
  const device = new Device();
  device.beats(30, 1.2);
  expect(device.told).toEqual([]);
  device.beats(5, 1.4);
  device.beats(30, 1.2);
  expect(device.states).toEqual(['slow']);
});

test('a slow device is reported again when it becomes slower by more than a third', () => {
  const device = new Device();
  device.beats(10, 1.5);
  device.beats(10, 1.9);
  expect(device.told).toHaveLength(1);
  device.beats(10, 2.4);
  expect(device.states).toEqual(['slow', 'slow']);
  expect(device.told[1].report.since).toBeGreaterThan(20_000);
  expect(device.told[1].report.slowdown).toBeGreaterThan(2);
});

test('a slow device that idles still counts as slow, whatever its heartbeats say meanwhile', () => {
  const device = new Device();
  device.beats(5, 2);
  device.beats(60, 1, 0);
  device.beats(60, 1.05, 0.01);
  expect(device.states).toEqual(['slow']);
  expect(device.watch.report).toMatchObject({ state: 'slow', slowdown: 2 });
  device.beats(5, 1);
  expect(device.states).toEqual(['slow', 'as-profiled']);
});

test('a restarted process counts its work from zero', () => {
  const device = new Device();
  device.beats(5, 1);
  device.restart();
  device.beats(5, 2);
  expect(device.states).toEqual(['slow']);
});

test('the share of time without a processor is smoothed, and null if unknown', () => {
  const device = new Device();
  device.beats(5, 2, 0.5, 0.4);
  expect(device.told[0].report.starvedShare).toBeCloseTo(0.4);
  device.beats(0.1, 2, 0.5, 0);
  expect(device.watch.report.starvedShare).toBeGreaterThan(0.2);
  device.beats(0.1, 2, 0.5, null);
  expect(device.watch.report.starvedShare).toBeNull();
});
