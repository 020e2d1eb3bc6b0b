import { mergeMap, Observable, Subject, throwError } from 'rxjs';
import { expect, test } from 'vitest';
import { startActor } from '../../engine/actor/actor.ts';
import type { BatchOutput } from '../../engine/backend/backend.ts';
import { CascadeError, ConfigError } from '../../engine/errors.ts';
import { silentLogger } from '../../engine/log.ts';
import { decode, encode } from '../../plans/protocol/codec.ts';
import type { GearMessage } from '../../plans/protocol/control-messages.ts';
import { isFailure, type Result } from '../../plans/protocol/messages.ts';
import { VirtualClock } from '../doubles/virtual-clock.ts';
import { scriptedBackend } from '../support/plane.ts';
import { planOf } from '../support/plans.ts';
import { startVirtualPlane, type VirtualPlane } from '../support/virtual-plane.ts';
import { ProcessClock } from './support/process-clock.ts';

/** Things that once went wrong, or could: each request still ends once, and no actor dies. */

const models = ['small', 'large'];
const idsOf = (plane: VirtualPlane): string[] => plane.answers.map(({ answer }) => answer.id);

/** An inference takes a second, except during warm-up. */
function startSlowPlane(): Promise<VirtualPlane> {
  const clock = new VirtualClock();
  return startVirtualPlane(planOf({ models }), { clock, batchMs: () => (clock.now() < 1_000 ? 1 : 1_000) });
}

test('numbers that are small as text but too large as tensors are refused with a message', async () => {
  const plane = await startVirtualPlane(planOf({ models }), {
    specs: [{ name: 'x', dtype: 'int64', shape: [null], pad: 0 }],
    maxPayloadBytes: 64 * 1024,
  });
  const body = JSON.stringify({ id: 'long', inputs: { x: new Array(20_000).fill(7) } });
  plane.bus.publish('cascade.test.infer', Buffer.from(body), { reply: 'answers' });
  await plane.runUntil(1_100);
  expect(plane.answers.map(({ answer }) => answer)).toMatchObject([
    { id: 'long', error: { code: 'INVALID_ARGUMENT', message: expect.stringMatching(/exceed the limit of 65536 bytes/) } },
  ]);
});

test('scores that do not fit into a message are refused with a message, after one model or two', async () => {
  const classes = 10_000;
  const manyClasses = (_: string, batch: readonly unknown[]): Observable<BatchOutput> =>
    new Observable((subscriber) => {
      // Certain of class 0 only when alone: in a batch of two, both move on to the next model.
      const scores = new Float32Array(batch.length * classes).fill(1 / classes);
      if (batch.length === 1) scores[0] = 1;
      subscriber.next({ scores, classes, auxiliary: undefined, computeMs: 1 });
      subscriber.complete();
    });
  const clock = new VirtualClock();
  const plane = await startVirtualPlane(planOf({ models, devices: ['a', 'b'] }), {
    clock,
    maxPayloadBytes: 64 * 1024,
    device: { createBackend: () => ({ ...scriptedBackend(clock, models, () => 1), run: manyClasses }) },
  });
  for (const id of ['one', 'two', 'three', 'four', 'five']) plane.infer(id, [0, 0, 0], { scores: true });
  await plane.runUntil(1_100);
  expect(plane.answers.map(({ answer }) => answer)).toMatchObject(
    new Array(5).fill({
      error: { code: 'INVALID_ARGUMENT', message: expect.stringMatching(/request it without scores and outputs/) },
    }),
  );
  expect(idsOf(plane).sort()).toEqual(['five', 'four', 'one', 'three', 'two']);
});

test('a frame with more requests than are answered one by one is refused as a whole', async () => {
  const plane = await startVirtualPlane(planOf({ models }));
  plane.bus.publish('cascade.test.infer', encode(new Array(100_000).fill(0)), { reply: 'answers' });
  await plane.runUntil(1_100);
  expect(plane.answers.map(({ answer }) => answer)).toMatchObject([{ id: '', error: { code: 'INVALID_ARGUMENT' } }]);
});

test('a request that waits far beyond its deadline is answered as late, once', async () => {
  const plane = await startSlowPlane();
  plane.infer('first', [1, 90, 0]);
  await plane.runUntil(1_001);
  plane.infer('waits', [1, 90, 0], { deadlineMs: 20 });
  await plane.runUntil(5_000);
  expect(idsOf(plane).sort()).toEqual(['first', 'waits']);
});

test('a request whose inference ends far beyond its deadline is answered once', async () => {
  const plane = await startSlowPlane();
  plane.infer('slow', [1, 90, 0], { deadlineMs: 20 });
  await plane.runUntil(5_000);
  expect(plane.answers.map(({ answer }) => answer)).toMatchObject([{ id: 'slow', error: { code: 'DEADLINE_EXCEEDED' } }]);
});

test('a frontend that starts under load learns the gear in force before it sends its first requests', async () => {
  const plan = planOf({ models, cascades: [['small', 'large'], ['small']], stepQps: 500 });
  const plane = await startVirtualPlane(plan, { batchMs: () => 1 });
  for (let i = 0; i < 350; i++) {
    plane.infer(`r${i}`, [1, 90, 0]);
    await plane.runUntil(plane.clock.now() + 1);
  }
  const told: { at: number; gear: number }[] = [];
  plane.bus
    .messages$('cascade.test.control.gear')
    .subscribe(({ data }) => told.push({ at: plane.clock.now(), gear: decode<GearMessage>(data).gear }));
  const startedAt = plane.clock.now();
  plane.bus.publish('cascade.test.load.late', encode({ frontend: 'late', pid: 1, intervalMs: 100, arrivals: 0 }));
  await plane.runUntil(startedAt + 10);
  expect(told).toEqual([{ at: startedAt, gear: 1 }]);
});

test('a backend that dies takes its device with it; both come back, and its requests are answered', async () => {
  const clock = new VirtualClock();
  let backends = 0;
  const closed: number[] = [];
  const plane = await startVirtualPlane(planOf({ models }), {
    clock,
    device: {
      createBackend: () => {
        const number = backends++;
        const backend = scriptedBackend(clock, models, () => 1);
        return {
          ...backend,
          run: (model, batch) =>
            new Observable<BatchOutput>((subscriber) => {
              // Warm-up comes first: 2 models, 2 sizes, two runs each.
              if (number === 0 && clock.now() > 1_000) subscriber.error(new CascadeError('UNAVAILABLE', 'worker died'));
              else return backend.run(model, batch).subscribe(subscriber);
              return undefined;
            }),
          close: () => {
            closed.push(number);
            return Promise.resolve();
          },
        };
      },
    },
  });
  await plane.runUntil(1_010);
  for (const id of ['a', 'b', 'c']) plane.infer(id, [1, 90, 0]);
  await plane.runUntil(3_000);
  expect(idsOf(plane).sort()).toEqual(['a', 'b', 'c']);
  expect(plane.answers.every(({ answer }) => (answer as Result).exit === 'certain')).toBe(true);
  expect(plane.devices.get('d0')!.restarts).toBe(1);
  expect([backends, closed]).toEqual([2, [0]]);
});

test('a restarted frontend continues its numbering: notes about earlier requests do not end later ones', async () => {
  const refuse$ = new Subject<void>();
  const refused$ = refuse$.pipe(mergeMap(() => throwError(() => new CascadeError('UNAVAILABLE', 'not allowed any more'))));
  const plane = await startVirtualPlane(planOf({ models }), { refusals: { subject: 'cascade.test.done.f0', refused$ } });
  const numbers: number[] = [];
  plane.bus.messages$('cascade.test.work.d0.small').subscribe(({ data }) => numbers.push(...decode<{ seq: number[] }>(data).seq));
  plane.infer('before', [1, 90, 0]);
  await plane.runUntil(1_050);
  refuse$.next();
  await plane.runUntil(2_000);
  plane.infer('after', [1, 90, 0]);
  await plane.runUntil(2_050);
  expect(plane.frontends[0].restarts).toBe(1);
  expect(numbers).toEqual([0, 1]);
  expect(idsOf(plane)).toEqual(['before', 'after']);
});

test('an actor that dies from a configuration error is not restarted, and says so', async () => {
  const plane = await startVirtualPlane(planOf({ models }));
  let starts = 0;
  const actor = startActor(
    {
      name: 'misconfigured',
      description: 'for this test',
      behaviour: () => {
        starts++;
        throw new ConfigError('no such model');
      },
    },
    { bus: plane.bus, clock: plane.clock, log: silentLogger },
  );
  await plane.runUntil(60_000);
  expect(starts).toBe(1);
  expect(await actor.finished).toEqual(new ConfigError('no such model'));
});

/** Two devices; `a` is silent from 1,050 ms on: its last heartbeat is at 1,000, and it is lost at 2,000. */
async function startPlaneThatLosesOne(): Promise<{ plane: VirtualPlane; work: { at: number; ids: string[] }[] }> {
  const clock = new VirtualClock();
  const ofA = new ProcessClock(clock);
  const plane = await startVirtualPlane(planOf({ models, devices: ['a', 'b'] }), {
    clock,
    batchMs: () => 1,
    systemOf: (device, bus) => ({ bus, clock: device === 'a' ? ofA : clock }),
  });
  const work: { at: number; ids: string[] }[] = [];
  plane.bus
    .messages$('cascade.test.work.*.small')
    .subscribe(({ data }) => work.push({ at: clock.now(), ids: decode<{ id: string[] }>(data).id }));
  await plane.runUntil(1_050);
  ofA.pause();
  return { plane, work };
}

// Found by the fault simulation: a lost device's requests were sent again, and in the same sweep answered as too late.
test('a request that is too late when its device is lost is answered as late, and not sent again', async () => {
  const { plane, work } = await startPlaneThatLosesOne();
  for (const id of ['r0', 'r1']) plane.infer(id, [1, 90, 0], { deadlineMs: 1_960 - 250 - 1_050 });
  await plane.runUntil(5_000);
  expect(plane.answers.map(({ answer }) => isFailure(answer) && answer.error.code)).toEqual([false, 'DEADLINE_EXCEEDED']);
  expect(work.every(({ at }) => at < 2_000)).toBe(true);
});

// Found by the fault simulation: a device that got a request too late to answer reported its end to the frontend, which then
// did not answer either.
test('a request sent again too late for another device to answer is answered by its frontend', async () => {
  const { plane, work } = await startPlaneThatLosesOne();
  for (const id of ['r0', 'r1']) plane.infer(id, [1, 90, 0], { deadlineMs: 1_800 - 1_050 });
  await plane.runUntil(5_000);
  expect(work.at(-1)).toMatchObject({ at: 2_000, ids: [expect.any(String)] });
  expect(plane.answers.map(({ at, answer }) => [at > 2_000, isFailure(answer) && answer.error.code])).toEqual([
    [false, false],
    [true, 'DEADLINE_EXCEEDED'],
  ]);
});
