import { expect, test } from 'vitest';
import { StatusCore, type StatusCoreOptions } from '../../../../actors/controller/status-core.ts';
import type { Status } from '../../../../actors/controller/status-report.ts';
import type { Effect } from '../../../../engine/actor/effect.ts';
import { TELL_PLAN } from '../../../../plans/protocol/channels.ts';
import type { DropCounts, GearMessage } from '../../../../plans/protocol/control-messages.ts';
import { subjectsOf } from '../../../../plans/protocol/subjects.ts';
import { answers, loadReport, performed, sentOn } from '../../../support/effects.ts';
import { deviceState, planOf } from '../../../support/plans.ts';

const plan = planOf({ models: ['small', 'large'], devices: ['d0', 'd1'], cascades: [['small', 'large'], ['small']] });
const subjects = subjectsOf('test');
const gear = (fields: Partial<GearMessage> = {}): GearMessage => ({ revision: 1, gear: 0, epoch: 1, decidedAt: 0, ...fields });

const started = (options: Partial<StatusCoreOptions> = {}): StatusCore =>
  new StatusCore({ deployment: 'test', subjects, start: { revision: 1, plan }, pid: 7, ...options }, 0);

test('a question is answered with a snapshot, but only on an allowed subject', () => {
  const core = started();
  core.lead(true);
  expect(answers(core.onAsked({ reply: '_INBOX.1' }, 0))).toMatchObject([
    { to: '_INBOX.1', message: { deployment: 'test', revision: 1, controller: { pid: 7, leading: true }, gear: null } },
  ]);
  const refused: readonly Effect<unknown>[] = core.onAsked({ reply: subjects.gear }, 0);
  expect(refused).toMatchObject([{ type: 'drop', error: { reason: 'status: no permitted reply subject' } }]);
});

test('time and changes are counted per gear, from the first gear that is announced', () => {
  const core = started();
  core.onGear(gear(), 1_000);
  core.onGear(gear({ gear: 1 }), 3_000);
  core.onGear(gear({ gear: 1 }), 4_000);
  expect(core.snapshot(8_000)).toMatchObject({ gear: { index: 1, of: 2 }, gearSeconds: [2, 5], gearSwitches: 1 });
});

test('another plan has its own gears; an unknown one is requested, and the previous plan stays', () => {
  const core = started();
  core.onGear(gear(), 0);
  expect(sentOn(TELL_PLAN, core.onGear(gear({ revision: 2 }), 1_000))).toHaveLength(1);
  expect(core.snapshot(1_000)).toMatchObject({ revision: 1, gearSeconds: [1, 0] });
  core.onPrepare({ revision: 2, plan: planOf({ models: ['large'] }) });
  expect(core.onGear(gear({ revision: 2 }), 2_000)).toEqual([]);
  expect(core.snapshot(5_000)).toMatchObject({ revision: 2, gears: [{ cascade: 'large' }], gearSeconds: [3] });
});

test('load and devices come from what is received; silent devices of the plan are missing', () => {
  const core = started();
  core.onLoad(loadReport({ frontend: 'a', intervalMs: 100, arrivals: 5 }), 0);
  core.onLoad(loadReport({ frontend: 'b', intervalMs: 200, arrivals: 5 }), 0);
  core.onState(deviceState({ device: 'd0' }), 0);
  expect(core.snapshot(10)).toMatchObject({
    qps: 75,
    frontends: [
      { name: 'a', qps: 50 },
      { name: 'b', qps: 25 },
    ],
  });
  expect(core.snapshot(10)).toMatchObject({ devices: [{ device: 'd0', silentMs: 10 }], missing: ['d1'] });
  core.forget(60_000);
  expect(core.snapshot(60_000)).toMatchObject({ qps: 0, frontends: [], devices: [], missing: ['d0', 'd1'] });
});

test('dropped messages and requests without a result are shown by actor, if there are any', () => {
  const idle: DropCounts = {};
  const actors = () => [
    { name: 'plan-keeper', dropped: idle },
    { name: 'status', dropped: { 'mailbox full': 3 } },
  ];
  const core = started({ actors });
  core.onLoad(loadReport({ frontend: 'a', dropped: { bad: 1 } }), 0);
  core.onState(deviceState({ device: 'd0', dropped: {} }), 0);
  expect(core.snapshot(0)).toMatchObject({ dropped: { 'frontend-a': { bad: 1 }, status: { 'mailbox full': 3 } }, unserved: {} });
});

test('one task at a time asks the server about stored requests, and the last answer is shown', () => {
  const durable = (core: StatusCore): Status['durable'] => core.snapshot(0).durable;
  expect(durable(started())).toBeNull();
  const core = started({ isDurable: true });
  expect(durable(core)).toEqual({ unknown: 'not asked yet' });
  expect(performed(core.readDurable())).toEqual(['read-durable']);
  expect(performed(core.readDurable())).toEqual([]);
  core.onDurableRead({ unknown: 'no answer' });
  expect(durable(core)).toEqual({ unknown: 'no answer' });
  expect(performed(core.readDurable())).toEqual(['read-durable']);
});

test('the newest losses and decisions come first, and a bounded number is kept', () => {
  const core = started();
  for (let i = 0; i < 30; i++) core.onEvent({ type: 'store-lost', kind: 'bucket', name: `b${i}`, text: '' }, i);
  const { losses } = core.snapshot(100);
  expect(losses).toHaveLength(20);
  expect(losses[0]).toEqual({ at: 29, kind: 'bucket', name: 'b29', text: '' });
});

test('after a restart of the actor, the plan that was in force stays', () => {
  const before = started();
  before.onPrepare({ revision: 2, plan: planOf({ models: ['large'] }) });
  before.onGear(gear({ revision: 2 }), 0);
  const after = new StatusCore({ deployment: 'test', subjects, start: { revision: 1, plan } }, 100, before);
  expect(after.snapshot(100)).toMatchObject({ revision: 2, gears: [{ cascade: 'large' }] });
});
