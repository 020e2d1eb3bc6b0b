import { BehaviorSubject, Observable, switchMap } from 'rxjs';
import { describe, expect, test } from 'vitest';
import type { Verdict } from '../../actors/controller/plan-change.ts';
import { PlanHistory } from '../../actors/controller/plan-history.ts';
import { planKeeperActor } from '../../actors/controller/plan-keeper.ts';
import { pushPlan } from '../../actors/operator/push-plan.ts';
import { startActor } from '../../engine/actor/actor.ts';
import type { Backend, ModelFile } from '../../engine/backend/backend.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import type { Clock } from '../../engine/clock.ts';
import { CascadeError } from '../../engine/errors.ts';
import { silentLogger } from '../../engine/log.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { decode, encode } from '../../plans/protocol/codec.ts';
import type { DeviceState, PrepareMessage } from '../../plans/protocol/control-messages.ts';
import type { Result } from '../../plans/protocol/messages.ts';
import { isFailure } from '../../plans/protocol/messages.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { createLocalBus } from '../doubles/local-bus.ts';
import { VirtualClock } from '../doubles/virtual-clock.ts';
import { busWith } from '../support/bus-with.ts';
import { scriptedBackend } from '../support/plane.ts';
import { deviceState, planOf, weightsOf } from '../support/plans.ts';
import { runClock, startVirtualPlane, type VirtualPlane, type VirtualPlaneOptions } from '../support/virtual-plane.ts';

const models = ['small', 'large'];

/** A plan with only some replicas: `{ small: ['a'], large: ['b'] }`. */
function placedPlan(on: Readonly<Record<string, readonly string[]>>): GearPlan {
  const plan = planOf({ models, devices: ['a', 'b'] });
  const shares = Object.fromEntries(models.map((m) => [m, Object.fromEntries(on[m].map((d) => [d, 1 / on[m].length]))]));
  const minQueueLength = Object.fromEntries(models.map((m) => [m, Object.fromEntries(on[m].map((d) => [d, 1]))]));
  return {
    ...plan,
    placement: models.flatMap((model) => on[model].map((device) => ({ model, device }))),
    gears: plan.gears.map((gear) => ({ ...gear, shares, minQueueLength })),
  };
}

const apart = placedPlan({ small: ['a'], large: ['b'] });
const swapped = placedPlan({ small: ['b'], large: ['a'] });

interface World extends VirtualPlane {
  push(order: unknown): Promise<Verdict>;
  /** The models loaded on a device, from its last heartbeat. */
  loadedOn(device: string): readonly string[] | undefined;
}

async function startWorld(options: VirtualPlaneOptions = {}, plan = apart): Promise<World> {
  const plane = await startVirtualPlane(plan, { batchMs: () => 1, devices: ['a', 'b'], ...options });
  const states = new Map<string, DeviceState>();
  plane.bus.messages$('cascade.test.state.*').subscribe(({ data }) => {
    const state = decode<DeviceState>(data);
    states.set(state.device, state);
  });
  return {
    ...plane,
    loadedOn: (device) => Object.keys(states.get(device)?.queues ?? {}),
    async push(order) {
      let verdict: Verdict | undefined;
      const body = Buffer.from(typeof order === 'string' ? order : JSON.stringify(order));
      void plane.bus.request('cascade.test.control.plan', body, { timeoutMs: 60_000 }).then(({ data }) => {
        verdict = JSON.parse(Buffer.from(data).toString());
      });
      for (let i = 0; i < 2_000 && verdict === undefined; i++) await plane.runUntil(plane.clock.now() + 10);
      return verdict!;
    },
  };
}

/** A world whose devices take a second to load a model, except at the start. */
function startSlowWorld(options: VirtualPlaneOptions = {}): Promise<World> {
  const clock = new VirtualClock();
  const createBackend = (): Backend => {
    const backend = scriptedBackend(clock, models, () => 1);
    const load = (model: ModelFile) =>
      clock.now() < 1_000 ? backend.load(model) : delayed(clock, 1_000, () => backend.load(model));
    return { ...backend, load };
  };
  return startWorld({ ...options, clock, device: { createBackend } });
}

function delayed<T>(clock: Clock, ms: number, make: () => Observable<T>): Observable<T> {
  return new Observable<void>((subscriber) =>
    clock.after(ms, () => {
      subscriber.next();
      subscriber.complete();
    }),
  ).pipe(switchMap(make));
}

const results = (world: World): Result[] => world.answers.map(({ answer }) => answer).filter((a): a is Result => !isFailure(a));

describe('a plan that is pushed', () => {
  test('is in force when its replicas are loaded; the old ones are unloaded; all requests are answered throughout', async () => {
    const world = await startWorld();
    let sent = 0;
    const load = (): void => world.infer(`r${sent++}`, [1, 10, 50]);
    load();
    await world.runUntil(world.clock.now() + 5);
    const pushed = world.push(swapped);
    for (let i = 0; i < 300; i++) {
      load();
      await world.runUntil(world.clock.now() + 1);
    }
    expect(await pushed).toEqual({ accepted: true, revision: 2 });
    load();
    await world.runUntil(world.clock.now() + 10_000);
    load();
    await world.runUntil(world.clock.now() + 100);
    expect(world.answers).toHaveLength(sent);
    expect(results(world)).toHaveLength(sent);
    expect(results(world).map(({ revision }) => revision)).toContain(1);
    expect(results(world).at(-1)?.revision).toBe(2);
    expect([world.loadedOn('a'), world.loadedOn('b')]).toEqual([['large'], ['small']]);
  });

  test('can be rolled back: by one, or to a revision', async () => {
    const world = await startWorld();
    expect(await world.push(swapped)).toEqual({ accepted: true, revision: 2 });
    expect(await world.push({ rollback: true })).toEqual({ accepted: true, revision: 3 });
    await world.runUntil(world.clock.now() + 10_000);
    expect(world.loadedOn('a')).toEqual(['small']);
    expect(await world.push({ rollback: 2 })).toEqual({ accepted: true, revision: 4 });
    await world.runUntil(world.clock.now() + 10_000);
    expect(world.loadedOn('a')).toEqual(['large']);
    expect(await world.push({ rollback: 9 })).toMatchObject({
      accepted: false,
      reason: expect.stringContaining('no revision 9'),
    });
  });

  test('can be rolled back even if the devices refused another one in between', async () => {
    const tooLarge = { ...swapped, weights: { small: weightsOf('small'), large: weightsOf('large', { memoryBytes: 2 ** 50 }) } };
    const world = await startWorld({ device: { memoryBytes: 2 ** 30 } });
    expect(await world.push(tooLarge)).toMatchObject({ accepted: false });
    expect(await world.push(swapped)).toEqual({ accepted: true, revision: 3 });
    expect(await world.push({ rollback: true })).toEqual({ accepted: true, revision: 4 });
    await world.runUntil(world.clock.now() + 10_000);
    expect([world.loadedOn('a'), world.loadedOn('b')]).toEqual([['small'], ['large']]);
  });

  test.each([
    ['is not JSON', 'gears!', /the plan: not JSON/],
    ['is not a plan', { gears: [] }, /the plan: not a gear plan/],
    ['is an unknown order', { rollback: 'please' }, /write \{"rollback": true\}/],
  ])('%s is refused with a message', async (_, order, reason) => {
    const world = await startWorld();
    expect(await world.push(order)).toMatchObject({ accepted: false, reason: expect.stringMatching(reason) });
  });

  test('that fails the check of the deployment is refused with every problem', async () => {
    const world = await startWorld({ keeper: { check: (plan) => (plan === apart ? [] : ['models: huge', 'devices: c']) } });
    expect(await world.push(swapped)).toEqual({ accepted: false, reason: 'models: huge; devices: c' });
  });

  test('that does not fit in memory next to the loaded models is refused with the figures, and the old plan stays', async () => {
    const mebibyte = 2 ** 20;
    const sized = (plan: GearPlan): GearPlan => ({
      ...plan,
      weights: {
        small: weightsOf('small', { memoryBytes: 2 * mebibyte }),
        large: weightsOf('large', { memoryBytes: 4 * mebibyte }),
      },
    });
    const world = await startWorld({ device: { memoryBytes: 5 * mebibyte } }, sized(apart));
    expect(await world.push(sized(swapped))).toEqual({
      accepted: false,
      reason: 'device a has 5 MiB for replicas: large 4 MiB do not fit alongside small 2 MiB',
    });
    await world.runUntil(world.clock.now() + 10_000);
    expect([world.loadedOn('a'), world.loadedOn('b')]).toEqual([['small'], ['large']]);
    world.infer('after', [1, 10, 50]);
    await world.runUntil(world.clock.now() + 100);
    expect(results(world)).toMatchObject([{ id: 'after', revision: 1, model: 'large' }]);
  });

  test('that needs a missing device is refused at once', async () => {
    const world = await startWorld();
    void world.devices.get('b')!.stop(1_000);
    await world.runUntil(world.clock.now() + 100);
    const startedAt = world.clock.now();
    const verdict = await world.push(swapped);
    expect(verdict).toMatchObject({ accepted: false, reason: expect.stringMatching(/^device b is not available: it is left$/) });
    expect(world.clock.now() - startedAt).toBeLessThan(100);
  });

  test('whose device dies while it prepares is refused, and the models loaded for it are unloaded', async () => {
    const world = await startSlowWorld();
    const pushed = world.push(swapped);
    await world.runUntil(world.clock.now() + 50);
    void world.devices.get('b')!.stop(1_000);
    expect(await pushed).toMatchObject({
      accepted: false,
      reason: expect.stringMatching(/^device b on host local .* while preparing/),
    });
    await world.runUntil(world.clock.now() + 10_000);
    expect(world.loadedOn('a')).toEqual(['small']);
  });

  test('for which a device takes too long is refused', async () => {
    const world = await startSlowWorld({ keeper: { prepareTimeoutMs: 300 } });
    const verdict = await world.push(swapped);
    expect(verdict).toEqual({ accepted: false, reason: 'device b, a did not prepare the plan within 300 ms' });
  });

  test('that comes while another is being prepared is refused, and the other one continues', async () => {
    const world = await startSlowWorld();
    const first = world.push(swapped);
    expect(await world.push(apart)).toMatchObject({
      accepted: false,
      reason: expect.stringContaining('is under way; try again when it is finished'),
    });
    expect(await first).toEqual({ accepted: true, revision: 2 });
  });
});

test.each(['controller', 'keeper', 'frontend', 'device'] as const)(
  'the plan in force stays, and nobody has to be told it again, when an actor is restarted: %s',
  async (which) => {
    const world = await startWorld();
    expect(await world.push(swapped)).toEqual({ accepted: true, revision: 2 });
    await world.runUntil(world.clock.now() + 5_000);
    const named = new Set<number>();
    const asked: string[] = [];
    for (const subject of ['cascade.test.state.*', 'cascade.test.control.gear', 'cascade.test.control.commit'])
      world.bus.messages$(subject).subscribe(({ data }) => named.add(decode<{ revision: number }>(data).revision));
    world.bus.messages$('cascade.test.control.tell-plan').subscribe(({ subject }) => asked.push(subject));
    const { controller, keeper, frontends, devices } = world;
    const actor = { controller, keeper, frontend: frontends[0], device: devices.get('a')! }[which];
    actor.suspend();
    actor.resume();
    await world.runUntil(world.clock.now() + 5_000);
    expect([...named]).toEqual([2]);
    expect(asked).toEqual([]);
  },
);

test('a gear-controller that was being restarted when a plan came into force follows', async () => {
  const world = await startWorld();
  const pushed = world.push(swapped);
  world.controller.suspend();
  expect(await pushed).toEqual({ accepted: true, revision: 2 });
  world.controller.resume();
  await world.runUntil(world.clock.now() + 5_000);
  world.infer('r', [1, 90, 90]);
  await world.runUntil(world.clock.now() + 100);
  expect(results(world)).toMatchObject([{ revision: 2 }]);
});

describe('a plan whose write the store does not confirm', () => {
  /** A bus whose store is unreachable for some time after it has carried out a write of the key `current`. */
  async function worldWithStoreSilentFor(ms: number): Promise<World & { said: string[] }> {
    const clock = new VirtualClock();
    const bus = createLocalBus(clock);
    let silentUntil = 0;
    const reachable = <T>(value: T): T => {
      if (clock.now() < silentUntil) throw new CascadeError('UNAVAILABLE', 'no answer');
      return value;
    };
    const keyValue: Bus['keyValue'] = async (...args) => {
      const store = (await bus.keyValue(...args))!;
      return {
        ...store,
        get: async (key) => reachable(await store.get(key)),
        update: async (key, ...rest) => {
          const written = await store.update(key, ...rest);
          if (key === 'current' && silentUntil === 0) silentUntil = clock.now() + ms;
          return reachable(written);
        },
      };
    };
    const world = await startWorld({ clock, bus: busWith(bus, { keyValue }) });
    const said: string[] = [];
    for (const verdict of ['commit', 'abort'])
      bus.messages$(`cascade.test.control.${verdict}`).subscribe(() => said.push(verdict));
    return { ...world, said };
  }

  test('is in force as soon as the store says so', async () => {
    const world = await worldWithStoreSilentFor(3_000);
    expect(await world.push(swapped)).toEqual({ accepted: true, revision: 2 });
    expect(world.said).not.toContain('abort');
  });

  test('is not called rejected, and is in force once somebody reads the store', async () => {
    const world = await worldWithStoreSilentFor(15_000);
    expect(await world.push(swapped)).toMatchObject({
      accepted: false,
      reason: expect.stringMatching(/^the plan store did not confirm revision 2: /),
    });
    expect(world.said).toEqual([]);
    await world.runUntil(world.clock.now() + 10_000);
    world.bus.publish('cascade.test.control.tell-plan', new Uint8Array());
    await world.runUntil(world.clock.now() + 5_000);
    world.infer('r', [1, 90, 90]);
    await world.runUntil(world.clock.now() + 100);
    expect(results(world)).toMatchObject([{ revision: 2 }]);
  });
});

test('a process that missed the preparation asks for the plan, and follows', async () => {
  const world = await startWorld();
  const told: number[] = [];
  world.bus.messages$('cascade.test.control.prepare').subscribe(({ data }) => told.push(decode<PrepareMessage>(data).revision));
  expect(await world.push(swapped)).toMatchObject({ accepted: true });
  expect(told).toEqual([2]);
  world.bus.publish('cascade.test.control.tell-plan', new Uint8Array());
  world.bus.publish('cascade.test.control.tell-plan', new Uint8Array());
  await world.runUntil(world.clock.now() + 1_000);
  expect(told).toEqual([2, 2]);
});

// Found by the fault simulation: a controller that was stopped in the middle of a change finished it when its successor was already leading,
// which then announced the previous plan for ever.
test('a process that asks gets the plan in force from the history, whoever put it there', async () => {
  const world = await startWorld();
  await world.runUntil(world.clock.now() + 100);
  const told: number[] = [];
  world.bus.messages$('cascade.test.control.prepare').subscribe(({ data }) => told.push(decode<PrepareMessage>(data).revision));
  const history = await PlanHistory.open(world.bus, world.clock, 'plans');
  await history.keep({ revision: 2, plan: swapped });
  await history.adopt({ revision: 2, plan: swapped });
  await world.runUntil(world.clock.now() + 1_000);
  world.bus.publish('cascade.test.control.tell-plan', new Uint8Array());
  await world.runUntil(world.clock.now() + 1_000);
  expect([...new Set(told)]).toEqual([2]);
});

test('a plan file that was never in force is put in force when its devices are up; one that was is not again', async () => {
  const world = await startWorld({ keeper: { wanted: swapped } });
  await world.runUntil(world.clock.now() + 1_000);
  const history = await PlanHistory.open(world.bus, world.clock, 'plans');
  expect(await history.currentRevision()).toBe(2);
  expect(await world.push({ rollback: 1 })).toEqual({ accepted: true, revision: 3 });
  await world.runUntil(world.clock.now() + 5_000);
  expect(await history.knows(swapped)).toBe(true);
  expect((await history.current())?.plan).toEqual(apart);
});

test('a push gets a verdict even if its controller is deposed meanwhile', async () => {
  const leading$ = new BehaviorSubject(true);
  const world = await startSlowWorld({ keeper: { leading$ } });
  const pushed = world.push(swapped);
  await world.runUntil(world.clock.now() + 200);
  leading$.next(false);
  expect(await pushed).toEqual({ accepted: false, reason: expect.stringContaining('another controller may have taken over') });
});

test('a push gets a verdict even if its controller is stopped meanwhile', async () => {
  const world = await startSlowWorld();
  const pushed = world.push(swapped);
  await world.runUntil(world.clock.now() + 200);
  void world.keeper.stop(5_000);
  expect(await pushed).toEqual({ accepted: false, reason: expect.stringContaining('another controller may have taken over') });
});

test('a standby that takes over with an empty store continues with the last plan in force', async () => {
  const leading$ = new BehaviorSubject(false);
  const world = await startWorld();
  const standby = planKeeperActor({
    subjects: subjectsOf('test'),
    bucket: 'emptied',
    start: { revision: 1, plan: apart },
    wanted: apart,
    check: () => [],
    leading$,
    prepareTimeoutMs: 10_000,
  });
  startActor(standby, { bus: world.bus, clock: world.clock, log: silentLogger });
  expect(await world.push(swapped)).toEqual({ accepted: true, revision: 2 });
  void world.keeper.stop(0);
  leading$.next(true);
  await world.runUntil(world.clock.now() + 5_000);
  const history = await PlanHistory.open(world.bus, world.clock, 'emptied');
  expect(await history.current()).toEqual({ revision: 2, plan: swapped });
});

describe('a device that is lost', () => {
  const plan: GearPlan = {
    ...planOf({ models, devices: ['a', 'b'], cascades: [models] }),
    contingencies: [{ lost: 'a', alike: ['b'], gears: planOf({ models, devices: ['b'], cascades: [['small']] }).gears }],
  };

  test('brings the gears for its loss, and its return brings back the others', async () => {
    const world = await startWorld({}, plan);
    const events: { type: string; device?: string }[] = [];
    world.bus.messages$('cascade.test.events').subscribe(({ data }) => events.push(decode(data)));
    void world.devices.get('b')!.stop(1_000);
    await world.runUntil(world.clock.now() + 500);
    world.infer('meanwhile', [1, 10, 50]);
    await world.runUntil(world.clock.now() + 100);
    expect(results(world)).toMatchObject([{ id: 'meanwhile', model: 'small', exit: 'last' }]);
    world.bus.publish('cascade.test.state.b', encode(deviceState({ device: 'b' })));
    await world.runUntil(world.clock.now() + 10);
    expect(events.filter(({ type }) => type.startsWith('device'))).toEqual([
      { type: 'device-lost', device: 'b' },
      { type: 'device-back', device: 'b' },
    ]);
  });
});

test('an operator who pushed a plan to a killed controller hears so when another one leads, not after minutes', async () => {
  const clock = new VirtualClock();
  const bus = createLocalBus(clock);
  // It accepts the plan, and is never heard from again.
  const killed = bus.messages$('cascade.test.control.plan').subscribe();
  const deployment = { name: 'test', prefix: 'cascade', prepareTimeoutMs: 600_000 };
  let told: unknown;
  pushPlan(bus, deployment, swapped, clock).catch((error) => {
    told = error;
  });
  await runClock(clock, 100);
  killed.unsubscribe();
  await startVirtualPlane(apart, { clock, bus });
  await runClock(clock, clock.now() + 5_000);
  expect(told).toMatchObject({
    code: 'DEADLINE_EXCEEDED',
    message: expect.stringMatching(/^no verdict \(another controller has taken over\): .*`cascade status` shows/),
  });
});
