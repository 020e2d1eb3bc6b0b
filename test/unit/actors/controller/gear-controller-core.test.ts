import { expect, test } from 'vitest';
import { GearControllerCore } from '../../../../actors/controller/gear-controller-core.ts';
import type { Effect } from '../../../../engine/actor/effect.ts';
import { compilePlan } from '../../../../plans/policy/compiled-plan.ts';
import { DEFAULT_GEAR_RULE } from '../../../../plans/policy/gear-choice.ts';
import { EVENTS, GEAR, TELL_PLAN } from '../../../../plans/protocol/channels.ts';
import type { GearMessage, LoadReport } from '../../../../plans/protocol/control-messages.ts';
import { deviceState, planOf } from '../../../support/plans.ts';

const plan = planOf({ models: ['small', 'large'], cascades: [['small', 'large'], ['small']], stepQps: 100 });
const start = { plan: { revision: 1, plan: compilePlan(plan, plan.devices) }, rule: DEFAULT_GEAR_RULE };
const load = (arrivals: number): LoadReport => ({ frontend: 'f', pid: 1, intervalMs: 100, arrivals });

const sentOn = ({ pattern }: { readonly pattern: string }, effects: readonly Effect[]): unknown[] =>
  effects
    .filter((effect) => effect.type === 'send' && effect.pattern === pattern)
    .map((effect) => 'message' in effect && effect.message);
const gears = (effects: readonly Effect[]): GearMessage[] => sentOn(GEAR, effects) as GearMessage[];

test('a controller that does not lead says nothing, whatever it hears', () => {
  const core = new GearControllerCore(start, 0);
  const effects = [core.onLoad(load(50), 100), core.onState(deviceState(), 100), core.repeat(1_000), core.sweep(10_000)];
  expect(effects.flat()).toEqual([]);
});

test('one that leads puts the gear of the load in force, says why, and repeats it', () => {
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

test('a plan that is in force and was never told is asked for, and used when it is known', () => {
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

test('a device that falls silent is lost, and told once', () => {
  const core = new GearControllerCore(start, 0);
  core.lead(7, 0);
  core.onState(deviceState(), 100);
  const said: Effect[] = [];
  for (let at = 200; at <= 5_000; at += 100) said.push(...core.sweep(at));
  expect(sentOn(EVENTS, said)).toEqual([{ type: 'device-lost', device: 'd0' }]);
  expect(said).toContainEqual({ type: 'log', level: 'warn', text: 'device-lost', fields: { device: 'd0' } });
  expect(sentOn(EVENTS, core.onState(deviceState(), 5_200))).toEqual([{ type: 'device-back', device: 'd0' }]);
});
