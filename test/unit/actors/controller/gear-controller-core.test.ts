import { expect, test } from 'vitest';
import { GearControllerCore } from '../../../../actors/controller/gear-controller-core.ts';
import type { Effect } from '../../../../engine/actor/effect.ts';
import { compilePlan } from '../../../../plans/policy/compiled-plan.ts';
import { DEFAULT_GEAR_RULE } from '../../../../plans/policy/gear-choice.ts';
import { EVENTS, GEAR, TELL_PLAN } from '../../../../plans/protocol/channels.ts';
import type { GearMessage, LoadReport } from '../../../../plans/protocol/control-messages.ts';
import { subjectsOf } from '../../../../plans/protocol/subjects.ts';
import { sentOn } from '../../../support/effects.ts';
import { deviceState, planOf } from '../../../support/plans.ts';

const plan = planOf({ models: ['small', 'large'], cascades: [['small', 'large'], ['small']], stepQps: 100 });
const start = {
  subjects: subjectsOf('test'),
  plan: { revision: 1, plan: compilePlan(plan, plan.devices) },
  rule: DEFAULT_GEAR_RULE,
};
const load = (arrivals: number): LoadReport => ({ frontend: 'f', pid: 1, intervalMs: 100, arrivals });

const gears = (effects: readonly Effect[]): GearMessage[] => sentOn(GEAR, effects) as GearMessage[];
const order = (value: unknown) => ({ message: Buffer.from(JSON.stringify(value)), reply: '_INBOX.operator.1' });
const verdicts = (effects: readonly Effect[]): unknown[] =>
  effects.filter((effect) => effect.type === 'answer').map(({ message }) => message);

test('a standby publishes nothing, whatever it receives', () => {
  const core = new GearControllerCore(start, 0);
  const effects = [core.onLoad(load(50), 100), core.onState(deviceState(), 100), core.repeat(1_000), core.sweep(10_000)];
  expect(effects.flat()).toEqual([]);
});

test('the leader puts the gear for the load in force, says why, and repeats it', () => {
  const core = new GearControllerCore(start, 0);
  expect(gears(core.lead(7, 0)).at(-1)).toMatchObject({ gear: 0, epoch: 7 });
  const effects: Effect[] = [];
  for (let at = 100; at <= 500; at += 100) effects.push(...core.onLoad(load(15), at));
  const [first] = gears(effects).filter(({ gear }) => gear === 1);
  expect(first).toMatchObject({ revision: 1, basis: { rule: 'load' } });
  expect(sentOn(EVENTS, effects)).toMatchObject([{ type: 'gear', from: 0, to: 1 }]);
  expect(gears(core.repeat(1_000))).toMatchObject([{ gear: 1, decidedAt: first.decidedAt }]);
  core.lead(undefined, 1_100);
  expect(core.repeat(2_000)).toEqual([]);
});

test('a plan in force that it has not received is requested, and used on arrival', () => {
  const core = new GearControllerCore(start, 0);
  core.lead(7, 0);
  expect(sentOn(TELL_PLAN, core.onCommit({ revision: 2 }, 10))).toHaveLength(1);
  expect(gears(core.repeat(20))).toMatchObject([{ revision: 1 }]);
  expect(gears(core.onPrepare({ revision: 2, plan }, 30)).at(-1)).toMatchObject({ revision: 2 });
});

test('a plan of another family is dropped', () => {
  const core = new GearControllerCore(start, 0);
  const [effect] = core.onPrepare({ revision: 2, plan: planOf({ models: ['other'] }) }, 10);
  expect(effect).toMatchObject({ type: 'drop', error: { reason: 'prepare: plan of another deployment' } });
});

test('a silent device is lost, and reported once', () => {
  const core = new GearControllerCore(start, 0);
  core.lead(7, 0);
  core.onState(deviceState(), 100);
  const said: Effect[] = [];
  for (let at = 200; at <= 5_000; at += 100) said.push(...core.sweep(at));
  expect(sentOn(EVENTS, said)).toEqual([{ type: 'device-lost', device: 'd0' }]);
  expect(said).toContainEqual({ type: 'log', level: 'warn', text: 'device-lost', fields: { device: 'd0' } });
  expect(sentOn(EVENTS, core.onState(deviceState(), 5_200))).toEqual([{ type: 'device-back', device: 'd0' }]);
});

test('a pinned gear is in force whatever the load, until it is released', () => {
  const core = new GearControllerCore(start, 0);
  core.lead(7, 0);
  const pinned = core.onPinOrder(order({ gear: 1 }), 100);
  expect(gears(pinned).at(-1)).toMatchObject({ gear: 1, epoch: 8, pinned: { gear: 1, until: null }, basis: { rule: 'pinned' } });
  expect(sentOn(EVENTS, pinned)).toMatchObject([
    { type: 'pin', state: 'pinned', gear: 1, text: 'gear 1 is pinned until it is released' },
    { type: 'gear', from: 0, to: 1, basis: { rule: 'pinned' } },
  ]);
  for (let at = 200; at <= 5_000; at += 100) core.onLoad(load(0), at);
  expect(gears(core.repeat(5_000))).toMatchObject([{ gear: 1, pinned: { gear: 1 } }]);
  const released = core.onPinOrder(order({ gear: null }), 5_100);
  expect(gears(released).at(-1)).toMatchObject({ gear: 0, epoch: 9, basis: { rule: 'load' } });
  expect(gears(released).at(-1)).not.toHaveProperty('pinned');
  expect(sentOn(EVENTS, released)).toMatchObject([
    { type: 'pin', state: 'ended' },
    { type: 'gear', from: 1, to: 0 },
  ]);
});

test('a pin ends when its time is up', () => {
  const core = new GearControllerCore(start, 0);
  core.lead(7, 0);
  expect(verdicts(core.onPinOrder(order({ gear: 1, forMs: 1_000 }), 100))).toEqual([{ accepted: true, gear: 1, until: 1_100 }]);
  expect(gears(core.sweep(1_000))).toEqual([]);
  const swept = core.sweep(1_100);
  expect(sentOn(EVENTS, swept)).toMatchObject([{ text: 'gear 1 is no longer pinned: its time is up' }, { type: 'gear', to: 0 }]);
  expect(gears(swept).at(-1)).toMatchObject({ gear: 0 });
});

test('a pin ends with its table of gears, because the same number means another cascade in the next', () => {
  const core = new GearControllerCore(start, 0);
  core.lead(7, 0);
  core.onPinOrder(order({ gear: 1 }), 100);
  core.onPrepare({ revision: 2, plan }, 200);
  const adopted = core.onCommit({ revision: 2 }, 300);
  expect(sentOn(EVENTS, adopted)).toContainEqual(expect.objectContaining({ type: 'pin', state: 'ended' }));
  expect(gears(adopted).every((message) => message.revision === 2 && message.pinned === undefined)).toBe(true);
});

test('the next controller keeps the pin of the previous one', () => {
  const core = new GearControllerCore(start, 0);
  core.onGear({ revision: 1, gear: 1, epoch: 9, decidedAt: 0, pinned: { gear: 1, until: 60_000 } }, 100);
  expect(gears(core.lead(20, 200)).at(-1)).toMatchObject({ gear: 1, pinned: { gear: 1, until: 60_000 } });
  expect(gears(core.sweep(60_000)).at(-1)).toMatchObject({ gear: 0 });
});

test('an order that cannot be carried out is refused with a message, and changes nothing', () => {
  const core = new GearControllerCore(start, 0);
  core.lead(7, 0);
  const refusal = (value: unknown): unknown => verdicts(core.onPinOrder(order(value), 0))[0];
  expect(refusal({ gear: 2 })).toEqual({ accepted: false, reason: 'gear: 2; the gears in force are 0 to 1' });
  expect(refusal({ gear: null, forMs: 5 })).toMatchObject({ accepted: false });
  expect(refusal({ gear: 1, for: '10m' })).toMatchObject({ accepted: false, reason: expect.stringContaining('"for"') });
  expect(refusal('one')).toMatchObject({ accepted: false, reason: expect.stringContaining('send {"gear": 2}') });
  expect(gears(core.repeat(1_000))[0]).not.toHaveProperty('pinned');
});

test('an order with a reply to one of our internal subjects is dropped', () => {
  const core = new GearControllerCore(start, 0);
  core.lead(7, 0);
  expect(core.onPinOrder({ ...order({ gear: 1 }), reply: 'cascade.test.control.gear' }, 0)).toMatchObject([{ type: 'drop' }]);
  expect(gears(core.repeat(1_000))[0]).not.toHaveProperty('pinned');
});

// The process's first plan would come back into force, although its weights may have been unloaded.
test('after a restart of the actor, the plan that was in force and the pin stay', () => {
  const before = new GearControllerCore(start, 0);
  before.lead(7, 0);
  before.onPrepare({ revision: 2, plan }, 10);
  before.onCommit({ revision: 2 }, 20);
  before.onPinOrder(order({ gear: 1 }), 30);
  const after = new GearControllerCore(start, 100, before);
  expect(gears(after.lead(8, 100)).at(-1)).toMatchObject({ revision: 2, gear: 1, pinned: { gear: 1 } });
});
