import { expect, test } from 'vitest';
import { Measures } from '../../../../actors/device/measures.ts';
import { Picture } from '../../../../actors/observer/picture.ts';
import type { ModelMeasures } from '../../../../plans/protocol/control-messages.ts';
import { deviceState } from '../../../support/plans.ts';

/** The heartbeat of a device whose answers took these times. */
function measured(...totalMs: number[]): ModelMeasures[] {
  const measures = new Measures();
  for (const ms of totalMs) {
    const timing = { queueMs: 0, computeMs: 0, totalMs: ms };
    measures.answered({ id: '', certainty: 1, model: 'small', stage: 0, exit: 'certain', gear: 0, revision: 1, timing });
  }
  return measures.snapshot;
}

const load = (arrivals: number, unserved = {}): Parameters<Picture['load']>[0] => ({
  frontend: 'f',
  pid: 1,
  intervalMs: 100,
  arrivals,
  unserved,
});

test('rates are per second of the time that passed', () => {
  const picture = new Picture();
  picture.state(deviceState({ busyMs: 100, upMs: 1_000, answered: { small: 5 } }), 0);
  picture.second(0);
  picture.load(load(30), 500);
  picture.load(load(30), 1_500);
  picture.state(deviceState({ busyMs: 600, upMs: 3_000, answered: { small: 45 }, queues: { small: 2, large: 1 } }), 1_900);
  const { second } = picture.second(2_000);
  expect(second).toMatchObject({ qps: 30, answers: { small: 20 }, utilisation: { d0: 0.25 }, queued: { d0: 3 } });
});

test('percentiles cover the answers of the last few seconds since we listen', () => {
  const picture = new Picture();
  picture.state(deviceState({ measures: measured(1_000, 1_000, 1_000) }), 0);
  expect(picture.second(0).second.latencyMs).toBeNull();
  picture.state(deviceState({ measures: measured(1_000, 1_000, 1_000, 10, 10, 10) }), 900);
  const p95 = (now: number): number | undefined => picture.second(now).second.latencyMs?.p95;
  expect(p95(1_000)).toBeGreaterThan(8);
  expect(p95(2_000)).toBeLessThan(11);
  for (let now = 3_000; now <= 5_000; now += 1_000) p95(now);
  expect(p95(6_000)).toBeUndefined();
});

test('requests without a result count since we listen; cancelled ones do not count', () => {
  const picture = new Picture();
  picture.load(load(1, { overloaded: 100 }), 0);
  picture.second(0);
  picture.load(load(1, { overloaded: 103, waiting: 50, 'of another version': 9 }), 500);
  expect(picture.second(1_000).second.unserved).toBe(3);
  expect(picture.second(2_000).second.unserved).toBe(0);
});

test('a silent device is not shown; a restarted one starts over', () => {
  const picture = new Picture();
  picture.state(deviceState({ busyMs: 900, upMs: 1_000 }), 0);
  picture.second(500);
  expect(picture.second(1_500).second.slowdown).toEqual({});
  picture.state(deviceState({ pid: 2, busyMs: 10, upMs: 100, answered: { small: 1 } }), 2_000);
  expect(picture.second(2_100).second).toMatchObject({ utilisation: {}, answers: { small: 0 } });
});

test('events are kept for people to read, and a flood of them does no harm', () => {
  const picture = new Picture();
  picture.event({ type: 'device-lost', device: 'd0' }, 7);
  expect(picture.second(1_000).happenings).toEqual([{ at: 7, type: 'device-lost', text: 'device-lost d0' }]);
  expect(picture.second(2_000).happenings).toEqual([]);
  const wordy = { type: 'plan-rejected', revision: 1, reason: 'x'.repeat(1_000) } as const;
  for (let i = 0; i < 1_000; i++) picture.event(wordy, 2_500);
  const { happenings } = picture.second(3_000);
  expect(happenings.length).toBeLessThanOrEqual(50);
  expect(Math.max(...happenings.map(({ text }) => text.length))).toBeLessThanOrEqual(400);
});
