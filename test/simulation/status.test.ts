import { NEVER, startWith } from 'rxjs';
import { expect, test } from 'vitest';
import { describeStatus } from '../../actors/commands/status.ts';
import { statusActor } from '../../actors/controller/status.ts';
import type { Status } from '../../actors/controller/status-report.ts';
import { requestStatus } from '../../actors/operator/ask-status.ts';
import { type RunningActor, startActor } from '../../engine/actor/actor.ts';
import { silentLogger } from '../../engine/log.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { encode } from '../../plans/protocol/codec.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { POISON, UNFIT } from '../support/plane.ts';
import { planOf } from '../support/plans.ts';
import { startVirtualPlane, type VirtualPlane, type VirtualPlaneOptions } from '../support/virtual-plane.ts';

const subjects = subjectsOf('test');

/** A plane with a status actor next to its controller and plan-keeper, as in a controller process. */
async function startPlaneWithStatus(
  plan = planOf({ models: ['small'] }),
  options: VirtualPlaneOptions = {},
): Promise<VirtualPlane> {
  const plane = await startVirtualPlane(plan, options);
  const { bus, clock, controller, keeper } = plane;
  const status: RunningActor = startActor(
    statusActor({
      deployment: 'test',
      subjects,
      start: { revision: 1, plan },
      leading$: NEVER.pipe(startWith(true)),
      actors: () => [controller, keeper, status],
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

test('the status shows what each actor dropped, including those of the process that answers', async () => {
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
    'plan-keeper': { ...gear, ...state, 'prepared: not a map': 1 },
    'device-d0': { ...gear, ...state },
    status: { ...gear, ...state },
  });
});

test('the status says where no SLO is promised: beyond the highest load, with or without a lost device', async () => {
  const [first, second, third] = planOf({
    models: ['small'],
    devices: ['d0', 'd1'],
    cascades: [['small'], ['small'], ['small']],
  }).gears;
  const alone = { shares: { small: { d1: 1 } }, minQueueLength: { small: { d1: 1 } } };
  const larger: GearPlan = {
    ...planOf({ models: ['small'], devices: ['d0', 'd1'] }),
    gears: [first],
    beyond: [second, { ...third, expected: { ...third.expected, accuracy: 0.8, accuracyInterval: [0.78, 0.82] } }],
    contingencies: [{ lost: 'd0', alike: [], gears: [{ ...first, ...alone }], beyond: [{ ...second, ...alone }] }],
  };
  const plane = await startPlaneWithStatus(larger);
  const inForce = async (gear: number, lost?: string): Promise<Status['gear']> => {
    const message = { revision: 1, gear, epoch: 1e15 + plane.clock.now(), decidedAt: plane.clock.now(), ...(lost && { lost }) };
    plane.bus.publish(subjects.gear, encode(message));
    return (await statusOf(plane)).gear;
  };
  const expected = { accuracy: 0.9, accuracyInterval: [0.9, 0.9] };
  expect(await inForce(0)).toMatchObject({ expected, index: 0, of: 3, bestEffort: false, qps: [0, 100] });
  expect(await inForce(2)).toMatchObject({
    expected: { accuracy: 0.8, accuracyInterval: [0.78, 0.82] },
    index: 2,
    of: 3,
    bestEffort: true,
    qps: [200, 300],
  });
  expect(await inForce(0, 'd0')).toMatchObject({ index: 0, of: 2, bestEffort: false, lost: 'd0' });
  expect(await inForce(1, 'd0')).toMatchObject({ expected, index: 1, of: 2, bestEffort: true, lost: 'd0' });
  expect((await statusOf(plane)).gearSeconds).toHaveLength(3);
  await inForce(2);
  expect(describeStatus(await statusOf(plane))).toContain('expected accuracy 80.00 % (78.0 - 82.0 %)');
});

test('the status shows how and why requests ended without a result, each once, by the role where they ended', async () => {
  const BATCH_MS = 100;
  const plane = await startPlaneWithStatus(planOf({ models: ['small'] }), {
    batchMs: () => BATCH_MS,
    // A lone client may use 95 % of the bound.
    frontend: { leastMs: [BATCH_MS], maxInFlight: 30 },
  });
  expect((await statusOf(plane)).unserved).toEqual({});
  const { bus, clock, infer, runUntil, answers } = plane;
  // Nothing runs: a deadline that nobody could meet is not overload, and the error says how long the model takes.
  infer('hurried', [1, 90], { deadlineMs: BATCH_MS - 1 });
  infer('possible', [1, 90], { deadlineMs: BATCH_MS + 1 });
  await runUntil(clock.now() + 200);
  expect(answers.map(({ answer }) => answer)).toMatchObject([
    {
      id: 'hurried',
      error: {
        code: 'DEADLINE_EXCEEDED',
        message: 'the deadline of 99 ms is shorter than the 100 ms that model small takes at least; allow more',
      },
    },
    { id: 'possible', certainty: expect.closeTo(0.9) },
  ]);
  infer('bad', [1]);
  infer('poisonous', [1, POISON]);
  infer('unfit', [1, UNFIT]);
  await runUntil(clock.now() + 1_000);
  const x = Uint8Array.of(1, 90);
  const frame = Array.from({ length: 20 }, (_, i) => ({ id: `cancelled ${i}`, inputs: { x } }));
  bus.publish(subjects.infer, encode(frame), { reply: 'answers', headers: { 'Cascade-Token': 'secret-of-the-sender' } });
  for (let i = 0; i < 9; i++) infer(`others ${i}`, [1, 90]);
  infer('one too many', [1, 90]);
  await runUntil(clock.now() + 10);
  bus.publish(subjects.infer, new Uint8Array(), { headers: { 'Cascade-Cancel': 'secret-of-the-sender' } });
  await runUntil(clock.now() + 1_000);
  const status = await statusOf(plane);
  expect(status.unserved).toEqual({
    'frontend-f0': { refused: { 'impossible-deadline': 1, invalid: 1, 'no-room': 1 } },
    'device-d0': { failed: { inference: 1 }, refused: { unfit: 1 }, cancelled: { waiting: 12, computing: 8 } },
  });
  expect(describeStatus(status)).toContain(
    'frontend-f0, requests without a result: refused 3 (impossible-deadline 1, invalid 1, no-room 1)\n',
  );
});
