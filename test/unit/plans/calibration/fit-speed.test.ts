import { expect, test } from 'vitest';
import { fitSpeed, type MeasuredSpeed } from '../../../../plans/calibration/fit-speed.ts';

const point = (qps: number, slowdown: number, deviceClass = 'cpu-1', busy = 0.5): MeasuredSpeed => ({
  deviceClass,
  qps,
  slowdown,
  busy,
});

test('separates the speed without load from the cost of each request', () => {
  const points = [500, 2_000, 5_000].map((qps) => point(qps, 1.1 / (1 - qps * 0.00008)));
  expect(fitSpeed(points)).toEqual({ inference: { 'cpu-1': 1.1 }, contentionMs: 0.08 });
});

test('devices that are faster under load show no contention', () => {
  const { inference, contentionMs } = fitSpeed([point(500, 1.2), point(5_000, 1.1)]);
  expect(contentionMs).toBe(0);
  expect(inference['cpu-1']).toBeCloseTo(1.15, 2);
});

test('each kind of device has its own speed', () => {
  expect(fitSpeed([point(100, 2, 'a'), point(200, 2, 'a'), point(100, 0.8, 'b')]).inference).toEqual({ a: 2, b: 0.8 });
});

test('devices that computed nothing count as profiled', () => {
  expect(fitSpeed([point(100, 3, 'a', 0)])).toEqual({ inference: { a: 1 }, contentionMs: 0 });
});
