import { defer, of, tap, throwError } from 'rxjs';
import { describe, expect, test } from 'vitest';
import type { Verdict } from '../../actors/controller/plan-change.ts';
import type { Backend } from '../../engine/backend/backend.ts';
import { WeightsMissingError } from '../../engine/errors.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { decode } from '../../plans/protocol/codec.ts';
import type { DeviceState } from '../../plans/protocol/control-messages.ts';
import { isFailure, type Result } from '../../plans/protocol/messages.ts';
import { VirtualClock } from '../doubles/virtual-clock.ts';
import { scriptedBackend } from '../support/plane.ts';
import { planOf } from '../support/plans.ts';
import type { TestWeights } from '../support/test-weights.ts';
import { startVirtualPlane, type VirtualPlane, type VirtualPlaneOptions } from '../support/virtual-plane.ts';

/** New weights of a model give the other one of the two labels. */
const models = ['small', 'large'];
const plan = planOf({ models, devices: ['a', 'b'] });
const renewed = withWeights('new', ...models);
/** Longer than unneeded replicas are kept. */
const UNLOADED_AFTER_MS = 10_000;

function withWeights(digest: string, ...changed: readonly string[]): GearPlan {
  const weights = Object.fromEntries(changed.map((model) => [model, { ...plan.weights[model], digest }]));
  return { ...plan, weights: { ...plan.weights, ...weights } };
}

/** Every model on the device `here`. */
function placedOn(given: GearPlan, here: string): GearPlan {
  return {
    ...given,
    placement: models.map((model) => ({ model, device: here })),
    gears: given.gears.map((gear) => ({
      ...gear,
      shares: Object.fromEntries(models.map((model) => [model, { [here]: 1 }])),
      minQueueLength: Object.fromEntries(models.map((model) => [model, { [here]: 1 }])),
    })),
  };
}

/** `loaded` is kept up to date. */
function watched(clock: VirtualClock, loaded: Set<string>): Backend {
  const backend = scriptedBackend(clock, models, () => 5);
  return {
    ...backend,
    load: (file) => backend.load(file).pipe(tap(() => loaded.add(file.key ?? file.name))),
    unload: (key) => defer(() => (loaded.delete(key) ? backend.unload(key) : of())),
    run: (key, batch) => (loaded.has(key) ? backend.run(key, batch) : throwError(() => new Error(`${key} is not loaded`))),
  };
}

async function startWorld(options: VirtualPlaneOptions = {}, start = plan) {
  const clock = new VirtualClock();
  const loaded = new Map(start.devices.map((device) => [device, new Set<string>()]));
  const events: { type: string; state?: string; device?: string; model?: string }[] = [];
  const states = new Map<string, DeviceState>();
  const plane = await startVirtualPlane(start, {
    clock,
    createBackend: (device) => watched(clock, loaded.get(device)!),
    ...options,
  });
  plane.bus.messages$('cascade.test.state.*').subscribe(({ data }) => {
    const state = decode<DeviceState>(data);
    states.set(state.device, state);
  });
  plane.bus.messages$('cascade.test.events').subscribe(({ data }) => events.push(decode(data)));
  return { ...plane, loaded, states, events, keys: (device: string) => [...loaded.get(device)!].sort() };
}

async function push(plane: VirtualPlane, pushed: GearPlan, meanwhile: () => void = () => undefined): Promise<Verdict> {
  let verdict: Verdict | undefined;
  const body = Buffer.from(JSON.stringify(pushed));
  void plane.bus.request('cascade.test.control.plan', body, { timeoutMs: 60_000 }).then(({ data }) => {
    verdict = JSON.parse(Buffer.from(data).toString());
  });
  while (verdict === undefined) {
    meanwhile();
    await plane.runUntil(plane.clock.now() + 1);
  }
  return verdict;
}

const results = ({ answers }: VirtualPlane): Result[] =>
  answers.map(({ answer }) => answer).filter((a): a is Result => !isFailure(a));

/** Weights that device b cannot get while `gone` is set. */
function missingOnB(gone: (key: string) => boolean, message: string): (device: string) => TestWeights {
  return (device) => ({
    file$: (name, key) =>
      defer(() =>
        device === 'b' && gone(key) ? throwError(() => new WeightsMissingError(message)) : of({ name, key, file: name }),
      ),
  });
}

describe('new weights that come with a plan', () => {
  test.each([
    ['where the old ones are', plan, renewed, ['a', 'b']],
    ['on the other device', placedOn(plan, 'a'), placedOn(renewed, 'b'), ['b']],
  ])('lose no request, and each answer comes from the weights of the revision it names: %s', async (_, before, after, on) => {
    const world = await startWorld({}, before);
    let sent = 0;
    // Every other request moves on to the large model.
    const infer = (): void => world.infer(`r${sent}`, [1, sent++ % 2 === 0 ? 10 : 90, 90]);
    const goOn = async (ms: number): Promise<void> => {
      for (let i = 0; i < ms; i++) {
        infer();
        await world.runUntil(world.clock.now() + 1);
      }
    };
    await goOn(100);
    expect(await push(world, after, infer)).toEqual({ accepted: true, revision: 2 });
    await goOn(300);
    await world.runUntil(world.clock.now() + UNLOADED_AFTER_MS);
    expect(results(world)).toHaveLength(sent);
    const byRevision = results(world).map(({ revision, label, model }) => `${model}, revision ${revision}: ${label}`);
    expect(new Set(byRevision)).toEqual(
      new Set(['small, revision 1: 1', 'large, revision 1: 1', 'small, revision 2: 0', 'large, revision 2: 0']),
    );
    for (const device of ['a', 'b']) expect(world.keys(device)).toEqual(on.includes(device) ? ['large@new', 'small@new'] : []);
  });

  test('of one model load nothing else', async () => {
    const world = await startWorld();
    expect(await push(world, withWeights('new', 'large'))).toMatchObject({ accepted: true });
    await world.runUntil(world.clock.now() + UNLOADED_AFTER_MS);
    expect(world.keys('a')).toEqual(['large@new', 'small']);
  });

  test('can be rolled back', async () => {
    const world = await startWorld();
    await push(world, renewed);
    await world.runUntil(world.clock.now() + UNLOADED_AFTER_MS);
    expect(await push(world, plan)).toEqual({ accepted: true, revision: 3 });
    await world.runUntil(world.clock.now() + UNLOADED_AFTER_MS);
    world.infer('after', [1, 10, 90]);
    await world.runUntil(world.clock.now() + 100);
    expect(results(world)).toMatchObject([{ label: 1, model: 'large', revision: 3 }]);
    expect(world.keys('b')).toEqual(['large', 'small']);
  });

  test('that a device cannot get are refused with a message, and the old ones stay', async () => {
    const world = await startWorld({ weights: missingOnB((key) => key.includes('@'), 'small on b') });
    expect(await push(world, renewed)).toEqual({ accepted: false, reason: 'small on b' });
    await world.runUntil(world.clock.now() + UNLOADED_AFTER_MS);
    world.infer('after', [1, 90, 90]);
    await world.runUntil(world.clock.now() + 100);
    expect(results(world)).toMatchObject([{ label: 1, revision: 1 }]);
    expect([world.keys('a'), world.keys('b')]).toEqual([models.toSorted(), models.toSorted()]);
    expect(world.states.get('b')!.missingWeights).toBeUndefined();
  });

  test('that do not fit next to the old ones are refused with the figures', async () => {
    const world = await startWorld({ device: { memoryBytes: 2 } });
    expect(await push(world, withWeights('new', 'large'))).toEqual({
      accepted: false,
      reason: expect.stringMatching(/large 0 MiB do not fit alongside small 0 MiB, large 0 MiB$/),
    });
  });
});

describe('a device that starts while weights of the plan in force are missing', () => {
  test('says so and serves the other models, and all of them when the weights are back', async () => {
    let gone = true;
    const world = await startWorld({ weights: missingOnB((key) => gone && key === 'small', 'no file has digest 1234') });
    await world.runUntil(world.clock.now() + 100);
    const { phase, queues, missingWeights } = world.states.get('b')!;
    expect({ phase, queues, missingWeights }).toEqual({
      phase: 'ready',
      queues: { large: 0 },
      missingWeights: { small: 'no file has digest 1234' },
    });
    for (let i = 0; i < 20; i++) world.infer(`r${i}`, [1, 10, 90]);
    await world.runUntil(world.clock.now() + 1_000);
    expect(results(world)).toHaveLength(20);
    expect(world.states.get('b')!.answered).toEqual({ large: expect.toSatisfy((count: number) => count > 0) });
    gone = false;
    await world.runUntil(world.clock.now() + 60_000);
    expect(world.keys('b')).toEqual(['large', 'small']);
    expect(world.states.get('b')!.missingWeights).toBeUndefined();
    expect(world.events.filter(({ type }) => type === 'weights')).toEqual([
      { type: 'weights', state: 'there', device: 'b', model: 'small' },
    ]);
  });

  test('takes part in a plan that brings other weights', async () => {
    const world = await startWorld({ weights: missingOnB((key) => !key.includes('@'), 'gone') });
    await world.runUntil(world.clock.now() + 100);
    expect(world.states.get('b')).toMatchObject({ queues: {}, missingWeights: { small: 'gone', large: 'gone' } });
    expect(await push(world, renewed)).toEqual({ accepted: true, revision: 2 });
    await world.runUntil(world.clock.now() + UNLOADED_AFTER_MS);
    expect(world.states.get('b')!.missingWeights).toBeUndefined();
    expect(world.keys('b')).toEqual(['large@new', 'small@new']);
  });
});
