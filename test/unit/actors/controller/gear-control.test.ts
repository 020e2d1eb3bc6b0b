import { describe, expect, test } from 'vitest';
import { GearControl } from '../../../../actors/controller/gear-control.ts';
import { compilePlan } from '../../../../plans/policy/compiled-plan.ts';
import { DEFAULT_GEAR_RULE, PAPER_GEAR_RULE } from '../../../../plans/policy/gear-choice.ts';
import type { DeviceState } from '../../../../plans/protocol/control-messages.ts';
import { deviceState, planOf } from '../../../support/plans.ts';

/** The default rule, except for the settle time. */
const AT_ONCE = { ...DEFAULT_GEAR_RULE, settleMs: 0 };

const plan = compilePlan(
  planOf({ models: ['small', 'large'], cascades: [['large'], ['small', 'large'], ['small']], stepQps: 100 }),
);
const load = (frontend: string, arrivals: number) => ({ frontend, pid: 1, intervalMs: 100, arrivals });
/** A device time of 5 ms per request. */
const queue = (length: number): DeviceState => deviceState({ queues: { small: length }, backlogMs: 5 * length });

test('the gear follows the load of all frontends together', () => {
  const control = new GearControl(plan, PAPER_GEAR_RULE, 0);
  control.load(load('f1', 8), 0);
  expect(control.decide(0)).toBeUndefined();
  control.load(load('f2', 7), 0);
  expect(control.decide(0)).toMatchObject({ from: 0, to: 1, basis: { rule: 'load', qps: 150 } });
});

test('a load above all ranges takes the last gear', () => {
  const control = new GearControl(plan, PAPER_GEAR_RULE, 0);
  control.load(load('f1', 1_000), 0);
  expect(control.decide(0)?.to).toBe(2);
});

test('the shift to a lower gear waits while qps < alpha * first queue', () => {
  const control = new GearControl(plan, PAPER_GEAR_RULE, 0);
  control.load(load('f1', 25), 0);
  control.decide(0);
  control.state(queue(20), 0);
  control.load(load('f1', 15), 0);
  // 150 < 8 * 20; a held gear is reported once.
  expect(control.decide(0)).toMatchObject({ from: 2, to: 2, basis: { rule: 'held', firstQueue: 20, backlog: 20 } });
  expect(control.decide(0)).toBeUndefined();
  control.state(queue(18), 0);
  expect(control.decide(0)).toMatchObject({ to: 1, basis: { rule: 'load', firstQueue: 18 } }); // 150 >= 8 * 18
});

test('a shift to a higher gear never waits', () => {
  const control = new GearControl(plan, PAPER_GEAR_RULE, 0);
  control.state(queue(1_000), 0);
  control.load(load('f1', 25), 0);
  expect(control.decide(0)?.to).toBe(2);
});

test('a silent frontend has no load', () => {
  const control = new GearControl(plan, PAPER_GEAR_RULE, 0);
  control.load(load('f1', 25), 0);
  control.decide(0);
  expect(control.decide(501)).toMatchObject({ to: 0, basis: { qps: 0 } });
});

test('the epoch grows with each change, and with each later controller', () => {
  const control = new GearControl(plan, PAPER_GEAR_RULE, 1_000);
  const before = control.epoch;
  control.load(load('f1', 25), 1_000);
  control.decide(1_000);
  expect(control.epoch).toBe(before + 1);
  expect(new GearControl(plan, PAPER_GEAR_RULE, 2_000).epoch).toBeGreaterThan(control.epoch);
});

test('a backlog counts as the load that would clear it in the given time', () => {
  const control = new GearControl(plan, { ...PAPER_GEAR_RULE, backlogDrainMs: 125 }, 0);
  control.load(load('f1', 5), 0);
  // 50 ms is the usual wait.
  expect(control.state(queue(10), 0)).toBe(false);
  expect(control.decide(0)).toBeUndefined();
  // 50 + 20 * (1 - 50 / 100) / 0.125 s = 130
  expect(control.state(queue(20), 0)).toBe(true);
  expect(control.decide(0)).toMatchObject({
    to: 1,
    basis: { rule: 'backlog', qps: 50, backlog: 20, waitMs: 100, excess: 10 },
  });
});

test('a new table of gears starts without hysteresis, and only its own gears are chosen', () => {
  const control = new GearControl(plan, PAPER_GEAR_RULE, 0);
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
  expect(control.decide(0)).toMatchObject({ to: 2, basis: { rule: 'held' } }); // the hysteresis is back
});

describe('several frontends', () => {
  test('one that dies does not keep the load up, whatever it reported last; the others still count', () => {
    const control = new GearControl(plan, AT_ONCE, 0);
    for (let at = 0; at <= 1_000; at += 100) {
      control.load(load('dies', 25), at);
      control.load(load('stays', 5), at);
      control.decide(at);
    }
    expect(control.gear).toBe(2);
    const gears: number[] = [];
    for (let at = 1_100; at <= 3_000; at += 100) {
      control.load(load('stays', 5), at);
      control.decide(at);
      gears.push(control.gear);
    }
    expect(gears[0]).toBe(2);
    expect(gears.at(-1)).toBe(0);
    expect(control.basis?.qps).toBe(50);
  });

  test('one that comes back after a pause starts a new history: its earlier load does not count', () => {
    const control = new GearControl(plan, PAPER_GEAR_RULE, 0);
    control.load(load('f', 25), 0);
    control.decide(0);
    control.decide(600);
    expect(control.load(load('f', 2), 700)).toBe(true);
    control.decide(700);
    expect(control.basis).toMatchObject({ qps: 20 });
    expect(control.gear).toBe(0);
  });

  test('a lost report leaves the last one valid until it is stale', () => {
    const control = new GearControl(plan, PAPER_GEAR_RULE, 0);
    control.load(load('a', 8), 0);
    control.load(load('b', 7), 0);
    control.decide(0);
    control.load(load('a', 8), 300);
    expect(control.decide(300)).toBeUndefined();
    expect(control.decide(501)).toMatchObject({ from: 1, to: 0, basis: { qps: 80 } });
  });

  test('queues of a silent device are no backlog', () => {
    const control = new GearControl(plan, AT_ONCE, 0);
    control.state(queue(1_000), 0);
    control.decide(0);
    expect(control.gear).toBe(2);
    for (let at = 200; at <= 700; at += 100) control.load(load('f', 5), at);
    expect(control.decide(700)).toMatchObject({ to: 0, basis: { backlog: 0 } });
  });
});

test('under an accuracy SLO, twice the planned load is eventually scaled by about a half', () => {
  const control = new GearControl({ ...plan, scaleToQps: 75 }, PAPER_GEAR_RULE, 0);
  control.load(load('f', 15), 0);
  expect(control.decide(0)).toMatchObject({ to: 1, basis: { qps: 150, lowQps: 150, scale: 1 } });
  for (let at = 100; at <= 900_000; at += 100) control.load(load('f', 15), at);
  expect(control.decide(900_000)).toMatchObject({ to: 0, basis: { qps: 150 } });
  expect(control.basis?.scale).toBeCloseTo(0.5, 1);
  expect(control.basis?.lowQps).toBeCloseTo(75, -1);
  control.scaleTo(undefined, 900_000);
  expect(control.decide(900_000)).toMatchObject({ to: 1, basis: { scale: 1 } });
});
