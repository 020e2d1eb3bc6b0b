import { expect, test } from 'vitest';
import type { Queued } from '../../../../actors/device/batcher.ts';
import { DeviceCore, type DeviceCoreOptions } from '../../../../actors/device/device-core.ts';
import type { Answer, DeviceEffect, DeviceTask } from '../../../../actors/device/device-effects.ts';
import type { BatchOrder } from '../../../../actors/device/orders.ts';
import { Router } from '../../../../actors/frontend/router.ts';
import { compilePlan } from '../../../../plans/policy/compiled-plan.ts';
import { STATE } from '../../../../plans/protocol/channels.ts';
import type { DeviceState } from '../../../../plans/protocol/control-messages.ts';
import type { WorkItem } from '../../../../plans/protocol/messages.ts';
import { deviceState, planOf, workItem } from '../../../support/plans.ts';
import { testWeights } from '../../../support/test-weights.ts';

const models = ['small', 'large'];
const BATCH_MS = 10;

interface World {
  core: DeviceCore;
  /** Models whose weights are here. */
  here: Set<string>;
  missing: Map<string, string>;
}

/** A device whose models are as certain as the sample's only number says, in percent; d1 is another device. */
function world(options: Partial<DeviceCoreOptions> & { computesElsewhere?: boolean } = {}): World {
  const plan = planOf({ models, devices: ['d0', 'd1'] });
  const here = new Set(models);
  const missing = new Map<string, string>();
  const core = new DeviceCore(
    {
      models,
      classes: undefined,
      judge: (output, row) => ({ prediction: { label: 1 }, certainty: output.scores[row] }),
      device: 'd0',
      host: 'local',
      pid: 7,
      specs: [{ name: 'x', dtype: 'uint8', shape: [1] }],
      bounds: { requests: 4, bytes: 1e6 },
      weightsOf: testWeights(() => BATCH_MS),
      router: new Router({ revision: 1, plan: compilePlan(plan, plan.devices) }),
      replicas: {
        has: ({ model }) => here.has(model),
        hasPrepared: () => false,
        committed: () => undefined,
        // A copy as of that time.
        get missing() {
          return new Map(missing);
        },
        underWay: false,
      },
      vitals: () => ({ starvedShare: null, loopDelayMsP99: 0, dropped: {}, emulated: true }),
      computesElsewhere: false,
      maxPayloadBytes: 1e6,
      ...options,
    },
    0,
  );
  return { core, here, missing };
}

/** A device that serves and has announced itself. */
function serving(options?: Parameters<typeof world>[0]): World {
  const made = world(options);
  made.core.enter('ready', 0);
  for (const device of ['d0', 'd1']) made.core.onState(deviceState({ device, claim: '7', pid: 7 }), 0);
  return made;
}

const work = (core: DeviceCore, now: number, ...items: Partial<WorkItem>[]): readonly DeviceEffect[] =>
  core.onWork('small', { origin: 'f1', items: items.map((fields, i) => itemOf({ seq: i, id: String(i), ...fields })) }, now);
const itemOf = (fields: Partial<WorkItem>): WorkItem =>
  workItem({ sample: [{ data: Uint8Array.of(1), shape: [1] }], deadlineAt: 1_000, ...fields });
const tasksIn = (effects: readonly DeviceEffect[]): DeviceTask[] =>
  effects.flatMap((effect) => (effect.type === 'perform' ? [effect.task] : []));
const ordersIn = (effects: readonly DeviceEffect[]): BatchOrder[] =>
  tasksIn(effects).flatMap((task) => (task.type === 'run' && task.order.type === 'batch' ? [task.order] : []));
const answersIn = (effects: readonly DeviceEffect[]): Answer[] =>
  tasksIn(effects).flatMap((task) => (task.type === 'answer' ? task.answers : []));
const statesIn = (effects: readonly DeviceEffect[]): DeviceState[] =>
  effects.flatMap((effect) =>
    effect.type === 'send' && effect.pattern === STATE.pattern ? [effect.message as DeviceState] : [],
  );
const idsOf = (requests: readonly Queued[]): string[] => requests.map(({ item }) => item.id);
/** The output of a batch with these certainties. */
const output = (...certainties: number[]) => ({
  scores: Float32Array.from(certainties),
  classes: 1,
  auxiliary: undefined,
  computeMs: BATCH_MS,
});

test('runs requests in a batch, answers the certain ones, and sends the rest to the next model', () => {
  const { core } = serving();
  const [order] = ordersIn(work(core, 0, {}, {}));
  expect([order.model, idsOf(order.requests)]).toEqual([0, ['0', '1']]);
  const effects = core.onOutput(order, output(0.9, 0.1), 10);
  expect(answersIn(effects)).toMatchObject([{ type: 'result', result: { id: '0', model: 'small', exit: 'certain', label: 1 } }]);
  const onward = [
    ...ordersIn(effects).map(({ model }) => models[model]),
    ...tasksIn(effects).map((task) => 'device' in task && task.device),
  ];
  // The gear's shares send it to this device or the other one.
  expect(onward.includes('large') || onward.includes('d1')).toBe(true);
});

test('starts the next batch before the answers of the last are written', () => {
  const { core } = serving();
  const [order] = ordersIn(work(core, 0, {}));
  work(core, 1, { id: 'next' });
  const effects = tasksIn(core.onOutput(order, output(0.9), 10)).map(({ type }) => type);
  expect(effects.indexOf('run')).toBeGreaterThanOrEqual(0);
  expect(effects.indexOf('run')).toBeLessThan(effects.indexOf('answer'));
});

test('counts only answers that were sent, not those lost without a connection', () => {
  const { core } = serving();
  const [order] = ordersIn(work(core, 0, {}));
  const answers = answersIn(core.onOutput(order, output(0.9), 10));
  core.onSent([], order, 10);
  expect(statesIn(core.heartbeat(1_100))[0].measures?.flatMap((each) => each.answers)).toEqual([]);
  core.onSent(answers, order, 1_200);
  expect(statesIn(core.heartbeat(2_200))[0].measures?.flatMap((each) => each.answers)).toHaveLength(1);
});

test('refuses requests that its queue has no room for, or for an unknown model', () => {
  const { core } = serving();
  const refused = answersIn(work(core, 0, {}, {}, {}, {}, {}, {}));
  expect(refused).toMatchObject([
    { type: 'failure', reason: 'no-room' },
    { type: 'failure', reason: 'no-room' },
  ]);
  expect(answersIn(core.onWork('other', { origin: 'f1', items: [itemOf({})] }, 0))).toMatchObject([{ reason: 'unknown-model' }]);
});

test('the answer of an earlier model stands if the next one has no room here', () => {
  const { core } = serving();
  const opinion = { label: 1, certainty: 0.2, model: 'small', stage: 0, gear: 0, revision: 1 };
  const answers = answersIn(work(core, 0, {}, {}, {}, {}, {}, { opinion }));
  expect(answers).toMatchObject([
    { type: 'failure', reason: 'no-room' },
    { type: 'result', result: { label: 1, certainty: 0.2, model: 'small', exit: 'gear' } },
  ]);
});

test('passes on requests for a model that a plan no longer places here', () => {
  const { core, here } = serving();
  here.delete('small');
  const effects = [...Array(4).keys()].flatMap((seq) => [...work(core, 0, { seq })]);
  expect(tasksIn(effects).some((task) => task.type === 'work' && task.device === 'd1' && task.model === 'small')).toBe(true);
  expect(ordersIn(effects)).toEqual([]);
});

test('gives up requests that have no time left, with the answer so far if there is one', () => {
  const { core } = serving();
  const opinion = { label: 0, certainty: 0.3, model: 'small', stage: 0, gear: 0, revision: 1 };
  const late = answersIn(work(core, 0, { deadlineAt: 5 }, { deadlineAt: 5, opinion }));
  expect(late).toMatchObject([
    { type: 'failure', reason: 'no-time' },
    { type: 'result', result: { exit: 'deadline', label: 0 } },
  ]);
});

test('does not compute waiting requests that a client gives up; running ones go no further', () => {
  const { core } = serving();
  const [order] = ordersIn(work(core, 0, { seq: 1 }));
  work(core, 1, { seq: 2 }, { seq: 3 });
  expect(tasksIn(core.onCancel({ origin: 'f1', seqs: [1] }, 2))).toEqual([{ type: 'cancel-at', at: 2 }]);
  expect(core.onCancel({ origin: 'f1', seqs: [2] }, 2)).toEqual([]);
  const dropped = tasksIn(core.dropCancelled(2));
  expect(dropped).toMatchObject([{ type: 'ended', computed: false, request: { item: { seq: 2 } } }]);
  const effects = core.onOutput(order, output(0.9), 10);
  expect(answersIn(effects)).toEqual([]);
  expect(tasksIn(effects)).toContainEqual(expect.objectContaining({ type: 'ended', computed: true }));
  expect(ordersIn(effects).flatMap(({ requests }) => requests.map(({ item }) => item.seq))).toEqual([3]);
});

test('a batch that fails runs again one by one; a request that fails alone is refused', () => {
  const { core } = serving();
  const [order] = ordersIn(work(core, 0, {}, {}));
  const [first] = ordersIn(core.onFailed(order, new Error('cannot read it'), 10));
  expect(idsOf(first.requests)).toEqual(['0']);
  const effects = core.onFailed(first, new Error('cannot read it'), 20);
  expect(answersIn(effects)).toMatchObject([{ type: 'failure', reason: 'inference', request: { item: { id: '0' } } }]);
  expect(idsOf(ordersIn(effects)[0].requests)).toEqual(['1']);
});

test('names the suspects before it tries a request alone, and when its backend dies', () => {
  const { core } = serving();
  const effects = work(core, 0, { seq: 5, alone: true });
  const [told] = statesIn(effects);
  expect(told.suspects).toEqual([{ origin: 'f1', seqs: [5] }]);
  expect(effects.findIndex(({ type }) => type === 'send')).toBeLessThan(effects.findIndex(({ type }) => type === 'perform'));
  expect(statesIn(core.onDied(5))[0].suspects).toEqual([{ origin: 'f1', seqs: [5] }]);
});

test('blames no request and leaves at once when its remote server is gone', () => {
  const { core } = serving({ computesElsewhere: true });
  work(core, 0, { seq: 5, alone: true });
  expect(statesIn(core.onDied(5))).toMatchObject([{ phase: 'left', suspects: [] }]);
  expect(core.takesWork).toBe(false);
});

test('an inference that never returns ends the device, which says so first', () => {
  const { core } = serving();
  work(core, 0, { deadlineAt: 1e6 });
  const effects: DeviceEffect[] = [];
  for (let now = 100; now <= 3_000 && !tasksIn(effects).some(({ type }) => type === 'hung'); now += 100)
    effects.push(...core.heartbeat(now));
  expect(statesIn(effects).filter(({ phase }) => phase === 'left')[0].suspects).toEqual([{ origin: 'f1', seqs: [0] }]);
  expect(tasksIn(effects).map(({ type }) => type)).toContain('hung');
  expect(core.takesWork).toBe(false);
});

test('a remote server that takes long is left to its timeout', () => {
  const { core } = serving({ computesElsewhere: true });
  work(core, 0, { deadlineAt: 1e6 });
  const effects: DeviceEffect[] = [];
  for (let now = 100; now <= 10_000; now += 100) effects.push(...core.heartbeat(now));
  expect(tasksIn(effects).map(({ type }) => type)).not.toContain('hung');
  expect(core.takesWork).toBe(true);
});

test('after a pause it drops waiting requests, and takes none until those sent before have arrived', () => {
  const { core } = serving();
  core.heartbeat(100);
  work(core, 100, {}, {});
  const effects = core.heartbeat(5_000);
  expect(tasksIn(effects).map(({ type }) => type)).toContain('catch-up');
  expect(core.takesWork).toBe(false);
  const [told] = statesIn(core.caughtUp(5_010));
  expect(told.incarnation).not.toBe(statesIn(effects)[0].incarnation);
  expect(core.takesWork).toBe(true);
});

test('leaves a drain when nothing waits and nothing runs', () => {
  const { core } = serving();
  const [order] = ordersIn(work(core, 0, {}));
  expect(tasksIn(core.enter('draining', 1)).map(({ type }) => type)).not.toContain('drained');
  const answers = answersIn(core.onOutput(order, output(0.9), 10));
  expect(tasksIn(core.onSent(answers, order, 10)).map(({ type }) => type)).toContain('drained');
  core.enter('left', 11);
  expect(core.hasEnded).toBe(false);
  core.end();
  expect(core.hasEnded).toBe(true);
});

test('missing weights are reported once, and again when they are available', () => {
  const { core, missing } = serving();
  const events = (now: number): unknown[] =>
    core.heartbeat(now).flatMap((effect) => (effect.type === 'send' && effect.pattern !== STATE.pattern ? [effect.message] : []));
  missing.set('large', 'no such file');
  expect(events(100)).toEqual([{ type: 'weights', state: 'missing', device: 'd0', model: 'large', reason: 'no such file' }]);
  expect(events(200)).toEqual([]);
  missing.clear();
  expect(events(300)).toEqual([{ type: 'weights', state: 'there', device: 'd0', model: 'large' }]);
});

test('yields to another process that has run the device without a break', () => {
  const { core } = serving();
  const rival = deviceState({ device: 'd0', claim: '0', pid: 1 });
  core.onState(rival, 100);
  expect(() => core.onState(rival, 500)).toThrow('device d0 is also run by process 1 of host local');
});
