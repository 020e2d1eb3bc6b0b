import { beforeEach, describe, expect, test } from 'vitest';
import { BatchLoop } from '../../../../actors/device/batch-loop.ts';
import type { Queued } from '../../../../actors/device/batcher.ts';
import type { DeviceEffect } from '../../../../actors/device/device-effects.ts';
import type { BatchOrder } from '../../../../actors/device/orders.ts';
import { Router } from '../../../../actors/frontend/router.ts';
import { note } from '../../../../engine/actor/effect.ts';
import { CascadeError } from '../../../../engine/errors.ts';
import { compilePlan } from '../../../../plans/policy/compiled-plan.ts';
import type { DeviceState } from '../../../../plans/protocol/control-messages.ts';
import type { WorkItem } from '../../../../plans/protocol/messages.ts';
import { VirtualClock } from '../../../doubles/virtual-clock.ts';
import { planOf, workItem } from '../../../support/plans.ts';
import { testWeights } from '../../../support/test-weights.ts';

const SMALL = 0;
const LARGE = 1;
const BATCH_MS = 10;
const models = ['small', 'large'];

let clock: VirtualClock;
/** What happens, in order. */
let log: string[];
let loop: BatchLoop;
let phase: DeviceState['phase'];
/** As the backend reports it. */
let computeMs: number;
/** Ids of requests that go to the large model next. */
let movesOn: Set<string>;
/** Ids of requests on which a batch fails as a whole. */
let poison: Set<string>;
/** Models whose current weights are not here. */
let missing: Set<number>;
let cancelWake: () => void;

beforeEach(() => {
  clock = new VirtualClock();
  log = [];
  phase = 'ready';
  computeMs = BATCH_MS;
  movesOn = new Set();
  poison = new Set();
  missing = new Set();
  const plan = compilePlan(planOf({ models }));
  const ms = [BATCH_MS, BATCH_MS];
  const profiled = models.map(() => ({ batch: [1, 2], ms, bySize: [{ size: 1, ms }] }));
  const weights = testWeights(() => BATCH_MS, { profiled })(plan);
  cancelWake = () => undefined;
  loop = new BatchLoop(
    {
      device: 'd0',
      router: new Router({ revision: 1, plan }),
      weights: () => weights,
      holds: (model) => !missing.has(model),
      bounds: { requests: 100, bytes: 1e6 },
      watchMs: 100,
      phase: () => phase,
      onDone: ({ model, requests }) => {
        const answered: string[] = [];
        for (const { item } of requests) {
          if (model === SMALL && movesOn.has(item.id)) loop.enqueue(LARGE, queued(item.id));
          else answered.push(item.id);
        }
        return answered.map((id) => note('info', `answer ${id}`));
      },
      onFailed: ({ requests }) => log.push(`failed ${idsOf(requests)}`),
      onStray: (model, { item }) => log.push(`stray ${models[model]} ${item.id}`),
      onExpired: ({ item }) => log.push(`expired ${item.id}`),
      onTrial: () => log.push(`trial of ${idsOf(loop.running)}`),
      onStarted: () => undefined,
    },
    clock.now(),
  );
});

/** Has the loop do something, and performs the effects. */
function act(change: (now: number, out: DeviceEffect[]) => void): void {
  const out: DeviceEffect[] = [];
  change(clock.now(), out);
  for (const effect of out) {
    if (effect.type === 'log') log.push(effect.text);
    if (effect.type !== 'perform') continue;
    const { task } = effect;
    if (task.type === 'idle' && !loop.hasWork(SMALL) && !loop.hasWork(LARGE)) log.push('empty');
    else if (task.type === 'wake') wake(task.at);
    else if (task.type === 'run' && task.order.type === 'batch') run(task.order);
  }
}

function wake(at: number | undefined): void {
  cancelWake();
  if (at !== undefined) cancelWake = clock.after(at - clock.now(), () => act((now, out) => loop.pump(now, out)));
}

function queued(id: string, fields: Partial<WorkItem> = {}): Queued {
  const sample = [{ data: Buffer.from(id), shape: [id.length] }];
  return { item: workItem({ id, sample, ...fields }), origin: 'f', enqueuedAt: clock.now(), size: id.length };
}

function idsOf(requests: readonly Queued[]): string {
  return requests.map(({ item }) => item.id).join('+');
}

/** A batch takes BATCH_MS; samples hold the ids of their requests. */
function run(order: BatchOrder): void {
  const ids = order.samples.map(([{ data }]) => Buffer.from(data).toString());
  log.push(`order ${order.weights.key} ${ids.join('+')}`);
  clock.after(BATCH_MS, () => {
    if (ids.some((id) => poison.has(id))) {
      act((now, out) => loop.failed(order, new CascadeError('INTERNAL', 'cannot read it'), now, out));
      return;
    }
    log.push(`end ${ids.join('+')}`);
    const scores = new Float32Array(0);
    act((now, out) => loop.done(order, { scores, classes: 2, auxiliary: undefined, computeMs }, now, out));
    act((now, out) => loop.pump(now, out));
  });
}

function enqueue(...ids: string[]): void {
  for (const id of ids) loop.enqueue(SMALL, queued(id));
  act((now, out) => loop.pump(now, out));
}

describe('BatchLoop', () => {
  test('starts the next batch before it writes the answers of the last', () => {
    enqueue('a', 'b', 'c', 'd');
    clock.runUntil(BATCH_MS);
    expect(log).toEqual(['order small a+b', 'end a+b', 'order small c+d', 'answer a', 'answer b']);
  });

  test('queues requests that move on to another model of the device before it chooses the next batch', () => {
    movesOn.add('b');
    enqueue('a', 'b');
    clock.runUntil(BATCH_MS);
    expect(log).toEqual(['order small a+b', 'end a+b', 'order large b', 'answer a']);
  });

  test('is empty after the last answer, not while one is still to be written', () => {
    movesOn.add('c');
    phase = 'draining';
    enqueue('a', 'b', 'c');
    clock.runUntil(10 * BATCH_MS);
    expect(log.slice(-3)).toEqual(['end c', 'answer c', 'empty']);
    expect(log.filter((line) => line === 'empty')).toHaveLength(1);
    expect(log.filter((line) => line.startsWith('answer')).toSorted()).toEqual(['answer a', 'answer b', 'answer c']);
  });

  test('runs one batch at a time, each as soon as the previous one has ended', () => {
    enqueue(...'abcdefgh');
    clock.runUntil(100 * BATCH_MS);
    const underWay = log.filter((line) => /^(order|end)/.test(line)).map((line) => line.split(' ')[0]);
    expect(underWay).toEqual(Array(4).fill(['order', 'end']).flat());
    expect(loop).toMatchObject({ batchesRun: 4, busyMs: 4 * BATCH_MS });
  });

  test('writes the answers of one batch even if the next one fails, and then runs the failed requests one by one', () => {
    poison.add('c');
    enqueue('a', 'b', 'c', 'd');
    clock.runUntil(100 * BATCH_MS);
    expect(log).toEqual([
      'order small a+b',
      'end a+b',
      'order small c+d',
      'answer a',
      'answer b',
      'failed c+d',
      'order small c',
      'failed c',
      'order small d',
      'end d',
      'answer d',
      'empty',
    ]);
  });

  test('runs requests that may have killed a device alone, after announcing them, in turn with batches', () => {
    for (const id of ['x', 'y']) loop.enqueue(SMALL, queued(id, { alone: true }));
    enqueue('a', 'b', 'c');
    expect([loop.length(SMALL), loop.hasWork(SMALL), loop.hasWork(LARGE)]).toEqual([3, true, false]);
    clock.runUntil(100 * BATCH_MS);
    expect(log.filter((line) => /^(order|trial)/.test(line))).toEqual([
      'trial of x',
      'order small x',
      'order small a+b',
      'trial of y',
      'order small y',
      'order small c',
    ]);
    expect(log.filter((line) => line.startsWith('answer')).toSorted()).toEqual(
      ['a', 'b', 'c', 'x', 'y'].map((id) => `answer ${id}`),
    );
    expect(loop.running).toEqual([]);
  });

  test('counts requests that run alone in the backlog, drops them when the device starts over, and gives them up when they are too late', () => {
    for (const id of ['x', 'y', 'z']) loop.enqueue(SMALL, queued(id, { alone: true }));
    expect(loop.backlogMs(clock.now())).toBe(3 * BATCH_MS);
    expect(loop.clear()).toBe(3);
    loop.enqueue(SMALL, queued('late', { alone: true, deadlineAt: BATCH_MS / 2 }));
    enqueue();
    clock.runUntil(100 * BATCH_MS);
    expect(log).toEqual(['expired late', 'empty']);
  });

  test('an inference hangs if it takes ten times as long as an input of its size may', () => {
    const hangsAt = (id: string): number | undefined => {
      enqueue(id);
      for (let now = clock.now(), ran = 0; ran < 1e5; ran += 100) if (loop.watch(now + ran, false).hung) return ran;
      return undefined;
    };
    const ten = 'x'.repeat(10);
    loop.watch(clock.now(), false);
    expect(hangsAt(ten)).toBe(10 * BATCH_MS * ten.length ** 2 + 100);
  });

  test('slow batches of long inputs do not make a device look slow, others do', () => {
    computeMs = 10 * BATCH_MS;
    const slowdownAfter = (input: string): number => {
      for (let i = 0; i < 50; i++) {
        enqueue(input);
        clock.runUntil(clock.now() + BATCH_MS);
      }
      return loop.slowdown(clock.now());
    };
    expect(slowdownAfter('xx')).toBe(1);
    expect(slowdownAfter('x')).toBeGreaterThan(1);
  });

  test('accepts requests that arrive while answers are written', () => {
    enqueue('a', 'b');
    clock.after(BATCH_MS, () => enqueue('c'));
    clock.runUntil(BATCH_MS);
    expect(log).toEqual(['order small a+b', 'end a+b', 'answer a', 'answer b', 'empty', 'order small c']);
  });

  test('starts nothing after it has left', () => {
    enqueue('a', 'b', 'c');
    phase = 'left';
    clock.runUntil(100 * BATCH_MS);
    expect(log).toEqual(['order small a+b', 'end a+b', 'answer a', 'answer b']);
  });

  test('drops waiting requests that are given up, alone or in a queue, and marks the ones that run', () => {
    enqueue('a', 'b', 'c');
    loop.enqueue(SMALL, queued('d', { alone: true }));
    loop.enqueue(SMALL, queued('e', { alone: true }));
    const [a, b] = loop.running;
    const dropped = loop.cancel(({ item }) => ['a', 'c', 'd'].includes(item.id));
    expect(idsOf(dropped)).toBe('d+c');
    expect([loop.isCancelled(a), loop.isCancelled(b), loop.length(SMALL)]).toEqual([true, false, 0]);
    clock.runUntil(10 * BATCH_MS);
    expect(log.filter((line) => line.startsWith('order'))).toEqual(['order small a+b', 'order small e']);
  });

  test('does not rerun a request that was given up in a failed batch', () => {
    poison.add('a');
    enqueue('a', 'b');
    loop.cancel(() => true);
    clock.runUntil(10 * BATCH_MS);
    expect(log).toEqual(['order small a+b', 'failed a+b', 'empty']);
  });
});
