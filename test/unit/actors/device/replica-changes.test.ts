import { EMPTY, of } from 'rxjs';
import { expect, test } from 'vitest';
import { type Prepared, ReplicaChanges } from '../../../../actors/device/replica-changes.ts';
import { Replicas } from '../../../../actors/device/replicas.ts';
import { Router } from '../../../../actors/frontend/router.ts';
import { Drops } from '../../../../engine/actor/drops.ts';
import type { Backend } from '../../../../engine/backend/backend.ts';
import { silentLogger } from '../../../../engine/log.ts';
import type { GearPlan } from '../../../../plans/domain/gear-plan/gear-plan.ts';
import { compilePlan } from '../../../../plans/policy/compiled-plan.ts';
import { ABORT, PREPARE } from '../../../../plans/protocol/channels.ts';
import { subjectsOf } from '../../../../plans/protocol/subjects.ts';
import { createLocalBus } from '../../../doubles/local-bus.ts';
import { VirtualClock } from '../../../doubles/virtual-clock.ts';
import { planOf } from '../../../support/plans.ts';
import { testWeights } from '../../../support/test-weights.ts';

const models = ['small', 'big'];
const both = planOf({ models });
const smallOnly: GearPlan = {
  ...planOf({ models, cascades: [['small']] }),
  placement: both.placement.filter(({ model }) => model === 'small'),
};
/** Several times longer than unneeded replicas are kept. */
const UNLOADED_AFTER_MS = 8_000;

/** A device on which revision 1, with the small model only, is in force. */
function started() {
  const clock = new VirtualClock();
  const bus = createLocalBus(clock);
  const subjects = subjectsOf('test');
  const backend: Backend = {
    emulated: true,
    load: () => of({ inputs: [], outputs: [] }),
    unload: () => EMPTY,
    close: async () => undefined,
    run: () => EMPTY,
  };
  const router = new Router({ revision: 1, plan: compilePlan(smallOnly) });
  const replicas = new Replicas({ device: 'd0', warmUp: [], memoryBytes: Number.POSITIVE_INFINITY }, backend, silentLogger);
  const changes = new ReplicaChanges(
    { device: 'd0', subjects, router, replicas, weightsOf: testWeights(() => 1), hasWork: () => false },
    { bus, clock, log: silentLogger, drops: new Drops(silentLogger), stopping$: EMPTY },
  );
  const prepared: Prepared[] = [];
  changes.begin().subscribe();
  changes.run().subscribe((each) => prepared.push(each));
  const run = (ms: number): void => clock.runUntil(clock.now() + ms);
  return {
    prepared,
    run,
    loaded: () => replicas.ready.map(({ model }) => model),
    announce: (revision: number, plan: GearPlan) => {
      bus.publish(subjects.prepare, PREPARE.codec.encode({ revision, plan }));
      run(10);
    },
    abort: (revision: number) => {
      bus.publish(subjects.abort, ABORT.codec.encode({ revision }));
      run(10);
    },
    commit: (revision: number) => {
      router.apply({ revision, gear: 0, epoch: revision, decidedAt: 0 });
      changes.committed();
      run(10);
    },
  };
}

test('what a plan in preparation needs stays loaded, even if the plan in force is announced again meanwhile', () => {
  const device = started();
  device.announce(2, both);
  device.announce(1, smallOnly);
  device.run(UNLOADED_AFTER_MS);
  expect(device.prepared).toEqual([2, 1].map((revision) => ({ revision, problem: undefined })));
  expect(device.loaded()).toEqual(models);
});

test('only the end of the plan in preparation makes its replicas unneeded, not that of an earlier one', () => {
  const device = started();
  device.announce(3, both);
  device.abort(2);
  device.run(UNLOADED_AFTER_MS);
  expect(device.loaded()).toEqual(models);
  device.abort(3);
  device.run(UNLOADED_AFTER_MS);
  expect(device.loaded()).toEqual(['small']);
});

test('a device that follows an earlier plan late still prepares the next one', () => {
  const device = started();
  device.announce(2, smallOnly);
  device.announce(3, both);
  device.commit(2);
  device.run(UNLOADED_AFTER_MS);
  expect(device.loaded()).toEqual(models);
});

test('a plan that comes into force without its replicas gets them', () => {
  const device = started();
  device.announce(2, both);
  device.announce(3, smallOnly);
  device.run(UNLOADED_AFTER_MS);
  expect(device.loaded()).toEqual(['small']);
  device.commit(2);
  expect(device.loaded()).toEqual(models);
});
