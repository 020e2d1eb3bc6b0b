import { describe, expect, test } from 'vitest';
import { PlanHistory } from '../../../../actors/controller/plan-history.ts';
import { startingPlan } from '../../../../actors/controller/stored-plan.ts';
import type { Bus } from '../../../../engine/bus/bus.ts';
import type { KeyValueStore } from '../../../../engine/bus/key-value.ts';
import { createLocalBus } from '../../../doubles/local-bus.ts';
import { VirtualClock } from '../../../doubles/virtual-clock.ts';
import { busWith } from '../../../support/bus-with.ts';
import { planOf } from '../../../support/plans.ts';

const BUCKET = 'plans';
const plan = planOf({ models: ['small'] });

function open(bus: Bus): Promise<PlanHistory> {
  return PlanHistory.open(bus, new VirtualClock(), BUCKET);
}

function unexpected(reason: string): void {
  throw new Error(reason);
}

/** A bus whose store runs an action just after a key was read. */
function busThatIsInterrupted(bus: Bus, key: string, act: () => Promise<void>): Bus {
  const interrupted = (store: KeyValueStore): KeyValueStore => ({
    ...store,
    get: async (name) => {
      const found = await store.get(name);
      if (name === key) await act();
      return found;
    },
  });
  const keyValue: Bus['keyValue'] = async (...args) => interrupted((await bus.keyValue(...args))!);
  return Object.assign(Object.create(bus) as Bus, { keyValue });
}

/** A bus whose store does not confirm the next conditional write, although it is carried out. */
function busThatLosesAConfirmation(bus: Bus, because: Error): Bus {
  let lost = false;
  const unconfirmed = (store: KeyValueStore): KeyValueStore => ({
    ...store,
    update: async (...args) => {
      const written = await store.update(...args);
      if (lost) return written;
      lost = true;
      throw because;
    },
  });
  return busWith(bus, { keyValue: async (...args) => unconfirmed((await bus.keyValue(...args))!) });
}

describe('numbers of plans', () => {
  // Found by the fault simulation: a controller was killed while devices prepared revision 2, and its successor gave that number to
  // another plan; who had heard of the first only would have served it as the second.
  test('are never reused, not even those of rejected plans', async () => {
    const bus = createLocalBus(new VirtualClock());
    const first = await open(bus);
    await first.keep({ revision: 1, plan });
    await first.adopt({ revision: 1, plan });
    expect(await first.nextRevision(1)).toBe(2);
    const successor = await open(bus);
    expect(await successor.nextRevision(1)).toBe(3);
    expect(await successor.nextRevision(7)).toBe(8);
  });

  test('are different for two controllers that ask at the same time', async () => {
    const bus = createLocalBus(new VirtualClock());
    const histories = await Promise.all([open(bus), open(bus), open(bus)]);
    const given = await Promise.all(histories.map((history) => history.nextRevision(0)));
    expect(given.sort()).toEqual([1, 2, 3]);
  });

  test('of plans in force only grow: a controller that was paused does not undo what its successor did', async () => {
    const bus = createLocalBus(new VirtualClock());
    const history = await open(bus);
    await history.adopt({ revision: 3, plan });
    expect(await history.adopt({ revision: 2, plan })).toBe(false);
    expect(await history.currentRevision()).toBe(3);
  });
});

describe('the revision before another', () => {
  test('is the one that was in force, not a rejected plan, nor one that was stored in vain', async () => {
    const history = await open(createLocalBus(new VirtualClock()));
    await history.adopt({ revision: 1, plan });
    await history.keep({ revision: 2, plan });
    await history.adopt({ revision: 4, plan });
    await history.adopt({ revision: 5, plan });
    expect(await history.revisionBefore(5)).toBe(4);
    expect(await history.revisionBefore(4)).toBe(1);
    expect(await history.get(await history.revisionBefore(1))).toBeUndefined();
  });

  test('is right even if another plan comes into force while it is being stored', async () => {
    const { history } = await overtaken();
    await history.adopt({ revision: 4, plan });
    expect(await history.revisionBefore(4)).toBe(2);
  });

  test('is right even if the confirmation of the plan in force is lost', async () => {
    const because = new Error('no answer');
    const history = await open(busThatLosesAConfirmation(createLocalBus(new VirtualClock()), because));
    await history.adopt({ revision: 1, plan });
    await expect(history.adopt({ revision: 4, plan })).rejects.toBe(because);
    await history.adopt({ revision: 4, plan });
    expect(await history.revisionBefore(4)).toBe(1);
  });
});

// Found by the fault simulation: results that named a revision 2 that never existed.
test('a process that starts while the first plan is being put in force begins with revision 1', async () => {
  const bus = createLocalBus(new VirtualClock());
  const controller = await open(bus);
  const starting = await open(
    busThatIsInterrupted(bus, 'current', async () => void (await controller.adopt({ revision: 1, plan }))),
  );
  expect(await startingPlan(starting, plan, () => [], unexpected)).toEqual({ revision: 1, plan });
});

test('a damaged record of the plan in force is ignored: the next plan is put in force', async () => {
  const bus = createLocalBus(new VirtualClock());
  const history = await open(bus);
  await history.adopt({ revision: 3, plan });
  const store = (await bus.keyValue(BUCKET))!;
  await store.put('current', Buffer.from('{"stream":"D","seq":7}'));
  expect(await history.currentRevision()).toBeUndefined();
  await history.adopt({ revision: 4, plan });
  expect(await history.currentRevision()).toBe(4);
});

// The operator read that the plan could not be stored, and the next controller put it in force.
test('a plan whose write was not confirmed is found in force when it is adopted again', async () => {
  const because = new Error('no answer');
  const history = await open(busThatLosesAConfirmation(createLocalBus(new VirtualClock()), because));
  await history.adopt({ revision: 1, plan });
  await expect(history.adopt({ revision: 2, plan })).rejects.toBe(because);
  expect(await history.currentRevision()).toBe(2);
  expect(await history.adopt({ revision: 2, plan })).toBe(true);
});

test('a plan is put in force even if an earlier one comes into force while it is being stored', async () => {
  const { history, other } = await overtaken();
  expect(await history.adopt({ revision: 3, plan })).toBe(true);
  expect(await other.currentRevision()).toBe(3);
});

/** A history with revision 1 in force, and another one that puts revision 2 in force while the first stores its next plan. */
async function overtaken(): Promise<{ history: PlanHistory; other: PlanHistory }> {
  const bus = createLocalBus(new VirtualClock());
  const other = await open(bus);
  await other.adopt({ revision: 1, plan });
  let adoptOnce = async (): Promise<void> => {
    adoptOnce = async () => undefined;
    await other.adopt({ revision: 2, plan });
  };
  return { history: await open(busThatIsInterrupted(bus, 'current', () => adoptOnce())), other };
}
