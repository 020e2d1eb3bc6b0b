import { EMPTY, firstValueFrom } from 'rxjs';
import { expect, test } from 'vitest';
import { PlanHistory } from '../../../../actors/controller/plan-history.ts';
import { planTasks } from '../../../../actors/controller/plan-keeper-tasks.ts';
import { Drops } from '../../../../engine/actor/drops.ts';
import { silentLogger } from '../../../../engine/log.ts';
import { subjectsOf } from '../../../../plans/protocol/subjects.ts';
import { createLocalBus } from '../../../doubles/local-bus.ts';
import { VirtualClock } from '../../../doubles/virtual-clock.ts';
import { planOf } from '../../../support/plans.ts';

const BUCKET = 'plans';
const foreign = planOf({ models: ['other'] });
const own = planOf({ models: ['small'] });

test('a leader that cannot serve the stored plan puts its own in force, under a number that no other plan has', async () => {
  const clock = new VirtualClock();
  const bus = createLocalBus(clock);
  const history = await PlanHistory.open(bus, clock, BUCKET);
  // The process started when revision 3 was in force; its predecessor then adopted 4 and 5.
  for (const revision of [3, 4, 5]) {
    await history.nextRevision(revision - 1);
    await history.keep({ revision, plan: foreign });
    await history.adopt({ revision, plan: foreign });
  }
  const check = (plan: { readonly models: readonly string[] }) => (plan.models.includes('other') ? ['no such model'] : []);
  const tasks = planTasks({ subjects: subjectsOf('test'), bucket: BUCKET, wanted: own, check });
  const perform = tasks({ bus, clock, log: silentLogger, drops: new Drops(silentLogger), stopping$: EMPTY });
  const inForce = { revision: 4, plan: own };
  const outcome = await firstValueFrom(perform({ type: 'take-over', term: 1, inForce, wasLost: false }));
  expect(outcome).toMatchObject({ type: 'took-over', stored: { revision: 6, plan: own } });
  expect(await history.current()).toEqual({ revision: 6, plan: own });
  expect((await history.get(4))?.plan).toEqual(foreign);
});
