import { expect, test } from 'vitest';
import { GearControl } from '../../../actors/gear-control.ts';
import type { DeviceState } from '../../../engine/wire/messages.ts';
import { compilePlan } from '../../../plans/policy/compiled-plan.ts';
import { planOf } from '../../support/plans.ts';

const plan = compilePlan(
  planOf({ models: ['small', 'large'], cascades: [['large'], ['small', 'large'], ['small']], stepQps: 100 }),
);
const PAPER = { alpha: 8, backlogDrainMs: Number.POSITIVE_INFINITY };
const load = (frontend: string, arrivals: number) => ({ frontend, pid: 1, intervalMs: 100, arrivals });
const queue = (length: number) => ({ device: 'd0', queues: { small: length } }) as unknown as DeviceState;

test('the gear follows the load of all frontends together', () => {
  const control = new GearControl(plan, PAPER, 0);
  control.load(load('f1', 8), 0);
  expect(control.decide(0)).toBeUndefined();
  control.load(load('f2', 7), 0);
  expect(control.decide(0)).toMatchObject({ from: 0, to: 1, qps: 150 });
});

test('a load above all ranges takes the last gear', () => {
  const control = new GearControl(plan, PAPER, 0);
  control.load(load('f1', 1_000), 0);
  expect(control.decide(0)?.to).toBe(2);
});

test('the shift to a lower gear waits while qps < alpha * first queue', () => {
  const control = new GearControl(plan, PAPER, 0);
  control.load(load('f1', 25), 0);
  control.decide(0);
  control.state(queue(20), 0);
  control.load(load('f1', 15), 0);
  expect(control.decide(0)).toBeUndefined(); // 150 < 8 * 20
  control.state(queue(18), 0);
  expect(control.decide(0)).toMatchObject({ to: 1, firstQueue: 18 }); // 150 >= 8 * 18
});

test('a shift to a higher gear never waits', () => {
  const control = new GearControl(plan, PAPER, 0);
  control.state(queue(1_000), 0);
  control.load(load('f1', 25), 0);
  expect(control.decide(0)?.to).toBe(2);
});

test('a frontend that is not heard of any more has no load', () => {
  const control = new GearControl(plan, PAPER, 0);
  control.load(load('f1', 25), 0);
  control.decide(0);
  expect(control.decide(501)).toMatchObject({ to: 0, qps: 0 });
});

test('the epoch grows with each change, and with each later controller', () => {
  const control = new GearControl(plan, PAPER, 1_000);
  const before = control.epoch;
  control.load(load('f1', 25), 1_000);
  control.decide(1_000);
  expect(control.epoch).toBe(before + 1);
  expect(new GearControl(plan, PAPER, 2_000).epoch).toBeGreaterThan(control.epoch);
});

test('what waits counts as the load that would clear it in the given time', () => {
  const control = new GearControl(plan, { alpha: 8, backlogDrainMs: 500 }, 0);
  control.load(load('f1', 5), 0);
  control.state(queue(20), 0);
  expect(control.decide(0)).toBeUndefined(); // 50 + 20 / 0.5 s = 90
  control.state(queue(30), 0);
  expect(control.decide(0)).toMatchObject({ to: 1, qps: 50, backlog: 30 }); // 50 + 30 / 0.5 s = 110
});

test('another table of gears is chosen from anew, without hysteresis, and within its length', () => {
  const control = new GearControl(plan, PAPER, 0);
  control.load(load('f1', 25), 0);
  control.decide(0);
  control.state(queue(1_000), 0);
  const before = control.epoch;
  control.use(plan.gears.slice(0, 2));
  expect(control.gear).toBe(1);
  expect(control.epoch).toBe(before + 1);
  control.load(load('f1', 5), 0);
  expect(control.decide(0)).toMatchObject({ from: 1, to: 0 });
  control.use(plan.gears);
  control.load(load('f1', 25), 0);
  expect(control.decide(0)).toMatchObject({ to: 2 });
  control.load(load('f1', 5), 0);
  expect(control.decide(0)).toBeUndefined(); // the hysteresis holds again
});
