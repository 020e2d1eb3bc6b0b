import { describe, expect, test } from 'vitest';
import { DEVICE_LOST_AFTER_MS, Router } from '../../../../actors/frontend/router.ts';
import { compilePlan } from '../../../../plans/policy/compiled-plan.ts';
import type { DeviceState } from '../../../../plans/protocol/control-messages.ts';
import { deviceState, planOf } from '../../../support/plans.ts';

const plan = compilePlan(planOf({ models: ['small', 'large'], devices: ['a', 'b'], cascades: [['small', 'large'], ['small']] }));
const state = (device: string, phase: DeviceState['phase'] = 'ready', incarnation = '1'): DeviceState =>
  deviceState({ device, phase, incarnation, queues: { small: 0, large: 0 } });

test('routes nothing before a device is ready, then by the shares', () => {
  const router = new Router({ revision: 1, plan });
  expect(router.route(0)).toBeUndefined();
  router.observe(state('a', 'loading'), 0);
  expect(router.complete).toBe(false);
  router.observe(state('a'), 0);
  router.observe(state('b'), 0);
  expect(router.complete).toBe(true);
  expect(['a', 'b', 'a', 'b'].sort()).toEqual([router.route(0), router.route(0), router.route(0), router.route(0)].sort());
});

test('a draining device gets nothing new, and the others take its share at once', () => {
  const router = new Router({ revision: 1, plan });
  router.observe(state('a'), 0);
  router.observe(state('b'), 0);
  expect(router.observe(state('a', 'draining'), 1)).toBeUndefined();
  expect([router.route(0), router.route(0), router.route(1)]).toEqual(['b', 'b', 'b']);
});

test('the requests of a device are sent again once when it leaves, and when it comes back as another process', () => {
  const router = new Router({ revision: 1, plan });
  router.observe(state('a'), 0);
  expect(router.observe(state('a', 'left'), 1)).toEqual({ died: false });
  expect(router.observe(state('a', 'left'), 2)).toBeUndefined();
  expect(router.observe(state('a', 'loading', '2'), 3)).toEqual({ died: false });
  expect(router.observe(state('a', 'ready', '2'), 4)).toBeUndefined();
});

describe('how a device was lost', () => {
  const suspects = [{ origin: 'f', seqs: [7] }];
  const second: DeviceState = { ...state('a'), pid: 1, upMs: 5_000, suspects };

  test.each<[string, DeviceState, object]>([
    ['it has said what it hangs in', { ...state('a', 'left'), suspects }, { died: false, reported: suspects }],
    [
      'another process took its place',
      { ...state('a', 'loading', '2'), pid: 2, upMs: 6_000 },
      { died: true, reported: suspects },
    ],
    ['it was started again in its process', { ...state('a', 'loading', '2'), upMs: 100 }, { died: true, reported: suspects }],
    [
      'the process lives, and lost its connection',
      { ...state('a', 'ready', '2'), upMs: 6_000 },
      { died: false, reported: undefined },
    ],
  ])('%s', (_, next, loss) => {
    const router = new Router({ revision: 1, plan });
    router.observe(second, 0);
    expect(router.observe(next, 1)).toEqual(loss);
  });

  test('it is silent', () => {
    const router = new Router({ revision: 1, plan });
    router.observe(second, 0);
    for (let now = 0; now < DEVICE_LOST_AFTER_MS; now += 100) router.sweep(now);
    expect(router.sweep(DEVICE_LOST_AFTER_MS)).toEqual(new Map([['a', { died: true, reported: suspects }]]));
  });
});

test('a silent device is lost after a second, once', () => {
  const router = new Router({ revision: 1, plan });
  router.observe(state('a'), 0);
  router.sweep(0);
  for (let now = 100; now < DEVICE_LOST_AFTER_MS; now += 100) expect(router.sweep(now)).toEqual(new Map());
  expect([...router.sweep(DEVICE_LOST_AFTER_MS)!.keys()]).toEqual(['a']);
  expect(router.sweep(DEVICE_LOST_AFTER_MS + 1)).toEqual(new Map());
  expect(router.route(0)).toBeUndefined();
});

test('a process that was stopped itself does not mistake what it missed for silence', () => {
  const router = new Router({ revision: 1, plan });
  router.observe(state('a'), 0);
  router.sweep(0);
  expect(router.sweep(5_000)).toBeUndefined();
  expect(router.route(0)).toBe('a');
  for (let now = 5_100; now < 5_000 + DEVICE_LOST_AFTER_MS; now += 100) expect(router.sweep(now)).toEqual(new Map());
  expect([...router.sweep(5_000 + DEVICE_LOST_AFTER_MS)!.keys()]).toEqual(['a']);
});

test('after a lost connection, the requests of each device are sent again once it is heard; a device that stays silent is lost', () => {
  const router = new Router({ revision: 1, plan });
  router.observe(state('a'), 0);
  router.observe(state('b'), 0);
  router.markStale(3_000);
  expect(router.observe(state('a'), 3_050)).toEqual({ died: false });
  expect(router.observe(state('a'), 3_150)).toBeUndefined();
  let lost: ReturnType<Router['sweep']>;
  for (let now = 3_100; now <= 3_000 + DEVICE_LOST_AFTER_MS; now += 100) lost = router.sweep(now);
  expect([...lost!.keys()]).toEqual(['b']);
});

test('a model left over from another gear goes to any of its replicas', () => {
  const router = new Router({ revision: 1, plan });
  router.observe(state('b'), 0);
  router.apply({ revision: 1, gear: 1, epoch: 5, decidedAt: 0 });
  expect(router.route(1)).toBe('b');
});

test('an older gear message does not undo a newer one', () => {
  const router = new Router({ revision: 1, plan });
  router.apply({ revision: 1, gear: 1, epoch: 5, decidedAt: 0 });
  router.apply({ revision: 1, gear: 0, epoch: 4, decidedAt: 0 });
  expect(router.gear.index).toBe(1);
  router.apply({ revision: 1, gear: 0, epoch: 6, decidedAt: 0 });
  expect(router.gear.index).toBe(0);
});
