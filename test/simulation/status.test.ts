import { NEVER, startWith } from 'rxjs';
import { expect, test } from 'vitest';
import { requestStatus } from '../../actors/ask-status.ts';
import { type Status, statusActor } from '../../actors/status.ts';
import { startActor } from '../../engine/actor/actor.ts';
import { silentLogger } from '../../engine/log.ts';
import { encode } from '../../engine/wire/codec.ts';
import { subjectsOf } from '../../engine/wire/subjects.ts';
import { planOf } from '../support/plans.ts';
import { startVirtualPlane, type VirtualPlane } from '../support/virtual-plane.ts';

const subjects = subjectsOf('test');
const plan = planOf({ models: ['small'] });

/** A plane with a status actor beside its controller and plan-keeper, as in the process of a controller. */
async function startPlaneWithStatus(): Promise<VirtualPlane> {
  const plane = await startVirtualPlane(plan);
  const { bus, clock, controller, keeper } = plane;
  startActor(
    statusActor({
      deployment: 'test',
      subjects,
      start: { revision: 1, plan },
      leading$: NEVER.pipe(startWith(true)),
      beside: [controller, keeper],
    }),
    { bus, clock, log: silentLogger },
  );
  await plane.runUntil(clock.now() + 1_500);
  return plane;
}

async function statusOf({ bus, clock, runUntil }: VirtualPlane): Promise<Status> {
  const asked = requestStatus(bus, subjects);
  await runUntil(clock.now() + 100);
  return asked;
}

test('the status tells what each actor dropped, those of the process that answers included', async () => {
  const plane = await startPlaneWithStatus();
  expect((await statusOf(plane)).dropped).toEqual({});
  plane.bus.publish(subjects.gear, encode({ revision: -1 }));
  plane.bus.publish(subjects.state('d0'), encode({ device: 7 }));
  plane.bus.publish(subjects.prepared, encode([]));
  await plane.runUntil(plane.clock.now() + 200);
  const { dropped } = await statusOf(plane);
  const gear = { 'gear: revision': 1 };
  const state = { 'state: device': 1 };
  expect(dropped).toEqual({
    'gear-controller': { ...gear, ...state },
    'plan-keeper': { ...state, 'prepared: not a map': 1 },
    'device-d0': { ...gear, ...state },
    status: { ...gear, ...state },
  });
});
