import { describe, expect, test } from 'vitest';
import type { PlanRequest } from '../../../../../plans/planner/plan-request.ts';
import { planGears } from '../../../../../plans/planner/planner.ts';
import { fewest } from '../../../../../plans/planner/provision/fewest.ts';
import { withFewestDevices } from '../../../../../plans/planner/provision/fewest-devices.ts';
import { bestOption, provision } from '../../../../../plans/planner/provision/provision.ts';
import { devicesLike } from '../../../../../plans/planner/sp3/devices-like.ts';
import { cores, gpus } from '../requests.ts';
import { verifyPlan } from '../verify-plan.ts';

describe('fewest', () => {
  test.each([1, 2, 3, 7, 8, 9, 30])('finds %i with few attempts', async (needed) => {
    const tried: number[] = [];
    const found = await fewest(64, async (count) => {
      tried.push(count);
      return count >= needed ? `${count} will do` : undefined;
    });
    expect(found).toEqual({ count: needed, value: `${needed} will do` });
    expect(Math.max(...tried)).toBeLessThanOrEqual(2 * needed);
    expect(new Set(tried).size).toBe(tried.length);
  });

  test('gives up at the limit', async () => {
    const tried: number[] = [];
    const found = await fewest(10, async (count) => {
      tried.push(count);
      return undefined;
    });
    expect(found).toBeUndefined();
    expect(Math.max(...tried)).toBe(10);
  });
});

describe('provision', () => {
  const base = cores({ qpsMax: 6000, weights: [0.6, 0.4] });

  test('the goal holds with the fewest devices, and fails with one fewer', async () => {
    const goal = { p95Ms: 100, accuracy: 0.92 };
    const [option] = await provision(base, goal, 32);
    const found = option.fewest;
    if (found === undefined) throw new Error('no number of devices will do');
    expect(found.plan.expected.accuracy).toBeGreaterThanOrEqual(goal.accuracy);
    const request: PlanRequest = { ...base, devices: found.devices, slo: { type: 'latency', p95Ms: goal.p95Ms } };
    expect(verifyPlan(request, found.plan)).toEqual([]);
    expect(found.devices.length).toBeGreaterThan(1);
    const fewer = await planGears({
      ...request,
      devices: devicesLike(base.devices, found.devices.length - 1),
      contingencies: false,
    });
    if (fewer.type === 'plan') expect(fewer.plan.expected.accuracy).toBeLessThan(goal.accuracy);
    expect(option.short?.devices).toBe(found.devices.length - 1);
  });

  test('an accuracy that is exactly reached will do, however many digits it has', async () => {
    const [linear] = base.profile.models;
    const exact = { ...linear, quality: linear.quality.map((_, i) => (i < 1400 ? 1 : 0)) };
    const request = { ...base, profile: { ...base.profile, models: [exact] }, qpsMax: 100 };
    const [option] = await provision(request, { p95Ms: 100, accuracy: 14 / 15 }, 2);
    expect(option.fewest?.devices).toHaveLength(1);
  });

  test('more accuracy than the family has: no number of devices, and the best that was reached', async () => {
    const options = await provision(base, { p95Ms: 100, accuracy: 0.999 }, 4);
    expect(bestOption(options)).toBeUndefined();
    expect(options[0].short).toMatchObject({ devices: 4 });
    expect(options[0].short?.expected?.accuracy ?? 0).toBeGreaterThan(0.9);
  });

  test('picks the kind of device of which fewer are needed', async () => {
    const [{ memoryBytes }] = base.devices;
    const models = base.profile.models.map((model) => {
      const [curve] = Object.values(model.runtimes);
      return { ...model, runtimes: { fast: curve, slow: { batch: curve.batch, ms: curve.ms.map((ms) => ms * 4) } } };
    });
    const devices = ['slow', 'fast'].map((deviceClass) => ({ id: deviceClass, deviceClass, memoryBytes }));
    const request = { ...base, qpsMax: 2500, profile: { ...base.profile, models }, devices };
    const options = await provision(request, { p95Ms: 100, accuracy: 0.9 }, 8);
    expect(options.map(({ kind }) => kind)).toEqual(['slow, 0.931 GiB', 'fast, 0.931 GiB', 'as deployed']);
    expect(bestOption(options)?.kind).toBe('fast, 0.931 GiB');
  });
});

describe('an infeasibility names the fewest devices that would be enough', () => {
  test.each([
    ['too much load', cores({ qpsMax: 200_000, weights: [0.6, 0.4] })],
    ['memory and load', gpus({ qpsMax: 900, weights: [0.7, 0.3] })],
  ])('%s: that many devices have a plan', async (_, request) => {
    const refused = await planGears(request);
    if (refused.type === 'plan') throw new Error('a plan was found');
    const { fewestDevices } = await withFewestDevices(refused, request);
    const count = fewestDevices?.count ?? 0;
    expect(count).toBeGreaterThan(request.devices.length);
    const granted = await planGears({ ...request, devices: devicesLike(request.devices, count), contingencies: false });
    expect(granted.type).toBe('plan');
  });

  test.each([
    ['latency below one inference', gpus({ slo: { type: 'latency', p95Ms: 60 }, qpsMax: 2 })],
    ['accuracy beyond the family', cores({ slo: { type: 'accuracy', accuracy: 0.99 } })],
  ])('%s: no number is enough', async (_, request) => {
    const refused = await planGears(request);
    if (refused.type === 'plan') throw new Error('a plan was found');
    expect((await withFewestDevices(refused, request)).fewestDevices?.count).toBeNull();
  });
});
