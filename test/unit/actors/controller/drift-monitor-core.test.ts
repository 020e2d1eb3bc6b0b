import { expect, test } from 'vitest';
import { DriftMonitorCore } from '../../../../actors/controller/drift-monitor-core.ts';
import type { Effect } from '../../../../engine/actor/effect.ts';
import { DRIFT, EVENTS, TELL_PLAN } from '../../../../plans/protocol/channels.ts';
import { loadReport, performed, sentOn } from '../../../support/effects.ts';
import { planOf } from '../../../support/plans.ts';

const plan = planOf({ models: ['small', 'large'], cascades: [['small', 'large'], ['small']], stepQps: 100 });
const settings = { qpsBound: 0.3, certaintyBound: 0.15, minSamples: 40, replan: 'auto', replanIntervalMs: 60_000 } as const;

function started(replan: 'auto' | 'never' = 'auto'): { core: DriftMonitorCore; load(seconds: number): Effect<'replan'>[] } {
  const core = new DriftMonitorCore(
    { start: { revision: 1, plan }, profileOf: () => undefined, settings: { ...settings, replan } },
    0,
  );
  let now = 0;
  return {
    core,
    /** Far more load than planned, second by second. */
    load: (seconds) =>
      Array.from({ length: seconds }).flatMap(() => {
        core.onLoad(loadReport({ arrivals: 190 }));
        now += 1_000;
        return [...core.tick(now)];
      }),
  };
}

test('a standby measures, but publishes nothing', () => {
  const { core, load } = started();
  expect(load(100)).toEqual([]);
  core.lead(true);
  expect(sentOn(DRIFT, load(1))).toMatchObject([{ revision: 1, qps: { drifted: true } }]);
});

test('drift is reported once and planned for once: other triggers meanwhile are dropped', () => {
  const { core, load } = started();
  core.lead(true);
  const effects = load(300);
  expect(sentOn(EVENTS, effects)).toMatchObject([
    { type: 'drift', state: 'begins', what: 'qps' },
    { type: 'replan', state: 'begins' },
  ]);
  expect(performed(effects)).toEqual(['replan']);
});

test('the outcome of planning is reported, and planning is retried after the interval', () => {
  const { core, load } = started();
  core.lead(true);
  load(100);
  const ended = core.onReplanned({ state: 'failed', text: 'no room' });
  expect(sentOn(EVENTS, ended)).toEqual([{ type: 'replan', state: 'failed', text: 'no room' }]);
  expect(ended).toContainEqual(expect.objectContaining({ type: 'log', level: 'error', fields: { outcome: 'no room' } }));
  expect(performed(load(1))).toEqual(['replan']);
  core.onReplanned({ state: 'done', text: '' });
  expect(performed(load(59))).toEqual([]);
  expect(performed(load(1))).toEqual(['replan']);
});

test('with replan: never, nothing is planned', () => {
  const { core, load } = started('never');
  core.lead(true);
  expect(performed(load(200))).toEqual([]);
});

test('a new plan in force starts a new measurement; an unknown one is requested', () => {
  const { core, load } = started();
  core.lead(true);
  load(100);
  const gear = { revision: 2, gear: 0, epoch: 1, decidedAt: 0 };
  expect(sentOn(TELL_PLAN, core.onGear(gear, 100_000))).toHaveLength(1);
  core.onPrepare({ revision: 2, plan });
  expect(core.onGear(gear, 100_000)).toEqual([]);
  expect(sentOn(DRIFT, load(1))).toMatchObject([{ revision: 2, qps: { drifted: false } }]);
});

test('after a restart of the actor, the plan that was in force stays', () => {
  const options = { start: { revision: 1, plan }, profileOf: () => undefined, settings };
  const before = new DriftMonitorCore(options, 0);
  before.onPrepare({ revision: 2, plan });
  before.onGear({ revision: 2, gear: 0, epoch: 1, decidedAt: 0 }, 0);
  const after = new DriftMonitorCore(options, 100, before);
  after.lead(true);
  expect(sentOn(DRIFT, after.tick(1_000))).toMatchObject([{ revision: 2 }]);
});
