import { BehaviorSubject } from 'rxjs';
import { expect, test } from 'vitest';
import { gearControllerActor } from '../../actors/controller/gear-controller.ts';
import { startActor } from '../../engine/actor/actor.ts';
import { silentLogger } from '../../engine/log.ts';
import { compilePlan } from '../../plans/policy/compiled-plan.ts';
import { DEFAULT_GEAR_RULE } from '../../plans/policy/gear-choice.ts';
import { decode, encode } from '../../plans/protocol/codec.ts';
import type { GearMessage } from '../../plans/protocol/control-messages.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { createLocalBus } from '../doubles/local-bus.ts';
import { VirtualClock } from '../doubles/virtual-clock.ts';
import { deviceState, planOf } from '../support/plans.ts';

/** A controller whose clock is at 1,000, and the devices of a predecessor whose clock was ahead. */
function startWorld(leads: boolean, beginTerm?: () => Promise<number>) {
  const clock = new VirtualClock(1_000);
  const bus = createLocalBus(clock);
  const subjects = subjectsOf('test');
  const leading$ = new BehaviorSubject(leads);
  const said: number[] = [];
  bus.messages$(subjects.gear).subscribe(({ data }) => said.push(decode<GearMessage>(data).epoch));
  const plan = { revision: 1, plan: compilePlan(planOf({ models: ['small'] })) };
  startActor(gearControllerActor({ subjects, plan, rule: DEFAULT_GEAR_RULE, leading$, beginTerm }), {
    bus,
    clock,
    log: silentLogger,
  });
  const heartbeat = (epoch: number): void => {
    bus.publish(subjects.state('d0'), encode(deviceState({ epoch })));
    clock.runUntil(clock.now() + 10);
  };
  return { clock, leading$, said, heartbeat };
}

// Found by the fault simulation: a controller on a host whose clock was two seconds behind took over; everybody ignored its gears, and
// the plans it put in force.
test('a controller that takes over publishes gears with a later epoch than the devices act on, whatever its clock says', () => {
  const { leading$, said, heartbeat } = startWorld(false);
  heartbeat(3_000);
  leading$.next(true);
  heartbeat(3_000);
  expect(said).toEqual([3_001]);
});

test('this holds even if it leads before it has heard from any device', () => {
  const { said, heartbeat } = startWorld(true);
  heartbeat(3_000);
  expect(said).toEqual([1_000, 3_001]);
});

// Found by the fault simulation: a controller that had been stopped, with a clock ahead of its successor's, published its gear once more.
test('if terms are counted, clocks do not matter: a later term has later epochs than any change in an earlier one', async () => {
  const { leading$, said, heartbeat } = startWorld(true, () => Promise.resolve(7));
  await Promise.resolve();
  leading$.next(false);
  heartbeat(7 * 2 ** 32 + 1_000);
  const later = startWorld(true, () => Promise.resolve(8));
  await Promise.resolve();
  later.heartbeat(0);
  expect(later.said[0]).toBeGreaterThan(7 * 2 ** 32 + 1_000_000);
  expect(said).toEqual([7 * 2 ** 32]);
});

test('a controller that cannot get a number for its term publishes nothing until it can', async () => {
  let reachable = false;
  const { clock, said } = startWorld(true, () => (reachable ? Promise.resolve(3) : Promise.reject(new Error('no store'))));
  const runOn = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) {
      clock.runUntil(clock.now() + 100);
      await Promise.resolve();
    }
  };
  await runOn();
  expect(said).toEqual([]);
  reachable = true;
  await runOn();
  expect(said[0]).toBe(3 * 2 ** 32);
});

test('a leader that hears of a later epoch has a successor, and does not outbid it', () => {
  const { clock, said, heartbeat } = startWorld(true);
  clock.runUntil(1_900);
  heartbeat(3_000);
  expect(Math.max(...said)).toBe(1_000);
});
