import { expect, test } from 'vitest';
import { PlanKeeperCore } from '../../../../actors/controller/plan-keeper-core.ts';
import type { PlanTask } from '../../../../actors/controller/plan-keeper-tasks.ts';
import type { Effect } from '../../../../engine/actor/effect.ts';
import type { GearPlan } from '../../../../plans/domain/gear-plan/gear-plan.ts';
import { ABORT, COMMIT, EVENTS } from '../../../../plans/protocol/channels.ts';
import { subjectsOf } from '../../../../plans/protocol/subjects.ts';
import { answers, performed, sentOn } from '../../../support/effects.ts';
import { deviceState, planOf } from '../../../support/plans.ts';

const plan = planOf({ models: ['small'] });
const next = planOf({ models: ['small'], maxWaitMs: 20 });
const file = planOf({ models: ['small'], maxWaitMs: 30 });
const order = (value: unknown) => ({ message: Buffer.from(JSON.stringify(value)), reply: '_INBOX.1' });
const verdicts = (effects: readonly Effect<PlanTask>[]) => answers(effects).map(({ message }) => message);

function created(check: (plan: GearPlan) => readonly string[] = () => [], before?: PlanKeeperCore): PlanKeeperCore {
  const start = { revision: 1, plan };
  const core = new PlanKeeperCore({ subjects: subjectsOf('test'), start, wanted: file, check, prepareTimeoutMs: 10_000 }, before);
  core.onState(deviceState({ incarnation: 'i' }), 0);
  return core;
}

/** A leading controller without a plan of its own to propose. */
function leading(check?: (plan: GearPlan) => readonly string[]): PlanKeeperCore {
  const core = created(check);
  core.lead(true);
  core.onOutcome({ type: 'took-over', term: 1, stored: undefined, knowsWanted: true }, 0);
  return core;
}

/** A controller whose devices prepare revision 2 for an operator. */
function preparing(): PlanKeeperCore {
  const core = leading();
  core.onOrder(order(next));
  core.onOutcome({ type: 'numbered', change: 1, revision: 2 }, 0);
  return core;
}

const prepared = { revision: 2, device: 'd0', incarnation: 'i' };

test('a new leader finds out which plan is in force, announces it, and only then takes orders', () => {
  const core = created();
  expect(performed(core.lead(true))).toMatchObject([{ type: 'take-over', inForce: { revision: 1 }, wasLost: false }]);
  expect(core.leads).toBe(false);
  const stored = { revision: 5, plan: next };
  const effects = core.onOutcome({ type: 'took-over', term: 1, stored, knowsWanted: true }, 0);
  expect(core.leads).toBe(true);
  expect(performed(effects)).toEqual([{ type: 'announce', plan: stored }]);
  expect(sentOn(COMMIT, effects)).toEqual([{ revision: 5 }]);
  expect(sentOn(EVENTS, effects)).toEqual([{ type: 'controller-leads', revision: 5 }]);
});

test('it retries while the history is unreachable, unless another controller leads by then', () => {
  const core = created();
  const [task] = performed(core.lead(true));
  core.onOutcome({ type: 'failed', task, reason: 'no answer' }, 100);
  expect(performed(core.tick(599))).toEqual([]);
  expect(performed(core.tick(600))).toMatchObject([{ type: 'take-over' }]);
  core.lead(false);
  expect(core.onOutcome({ type: 'failed', task, reason: 'no answer' }, 700)).toEqual([]);
  expect(performed(core.tick(5_000))).toEqual([]);
});

test('outcomes from an earlier term are ignored', () => {
  const core = created();
  core.lead(true);
  core.lead(false);
  core.lead(true);
  expect(core.onOutcome({ type: 'took-over', term: 1, stored: undefined, knowsWanted: true }, 30)).toEqual([]);
  expect(core.leads).toBe(false);
});

test('a plan is announced, stored when all devices are ready, then put in force, and the verdict follows', () => {
  const core = leading();
  expect(performed(core.onOrder(order(next)))).toEqual([{ type: 'number', change: 1, above: 1 }]);
  const told = performed(core.onOutcome({ type: 'numbered', change: 1, revision: 2 }, 0));
  expect(told).toMatchObject([{ type: 'announce', change: 1, plan: { revision: 2 } }]);
  const [adopt] = performed(core.onPrepared(prepared, 100));
  expect(adopt).toMatchObject({ type: 'adopt', next: { revision: 2 } });
  expect(core.isDrained).toBe(false);
  const effects = core.onOutcome({ type: 'adopted', change: 1, next: { revision: 2, plan: next } }, 200);
  expect(sentOn(COMMIT, effects)).toEqual([{ revision: 2 }]);
  expect(sentOn(EVENTS, effects)).toEqual([{ type: 'plan-adopted', revision: 2 }]);
  expect(verdicts(effects)).toEqual([{ accepted: true, revision: 2 }]);
  expect(core.isDrained).toBe(true);
});

test.each([
  ['a device that cannot', (core: PlanKeeperCore) => core.onPrepared({ ...prepared, problem: 'no room' }, 10), 'no room'],
  ['a device that is lost', (core: PlanKeeperCore) => core.tick(5_000), 'silent'],
  [
    'a plan that is too large to tell',
    (core: PlanKeeperCore) =>
      core.onOutcome(
        { type: 'failed', task: { type: 'announce', change: 1, plan: { revision: 2, plan: next } }, reason: 'size' },
        10,
      ),
    'size',
  ],
])('%s ends the change: everyone is told, and the operator learns why', (_, happen, reason) => {
  const core = preparing();
  const effects = happen(core);
  expect(sentOn(ABORT, effects)).toEqual([{ revision: 2 }]);
  expect(verdicts(effects)).toMatchObject([{ accepted: false, reason: expect.stringContaining(reason) }]);
  expect(sentOn(EVENTS, effects)).toMatchObject([{ type: 'plan-rejected', revision: 1 }]);
});

test('a plan that cannot be stored does not come into force', () => {
  const core = preparing();
  const [task] = performed(core.onPrepared(prepared, 10));
  const effects = core.onOutcome({ type: 'failed', task, reason: 'no leader' }, 20);
  expect(sentOn(ABORT, effects)).toEqual([{ revision: 2 }]);
  expect(sentOn(COMMIT, effects)).toEqual([]);
  expect(verdicts(effects)).toEqual([{ accepted: false, reason: 'the plan cannot be stored: no leader' }]);
});

test('only one change at a time: another order is refused, naming the one under way', () => {
  const core = leading();
  core.onOrder(order(next));
  const refused = [{ accepted: false, reason: 'another change is under way; try again when it is finished' }];
  expect(verdicts(core.onOrder(order(file)))).toEqual(refused);
  core.onOutcome({ type: 'numbered', change: 1, revision: 2 }, 0);
  expect(verdicts(core.onOrder(order({ rollback: 1 })))).toMatchObject([
    { reason: expect.stringContaining('a change to revision 2 is under way') },
  ]);
});

test('a plan that does not fit the deployment, or an invalid one, is refused at once', () => {
  const core = leading(() => ['no such model']);
  expect(verdicts(core.onOrder(order(next)))).toEqual([{ accepted: false, reason: 'no such model' }]);
  expect(verdicts(core.onOrder(order({ rollback: -1 })))).toMatchObject([{ reason: expect.stringContaining('rollback: -1') }]);
  expect(verdicts(core.onOrder(order('?')))).toMatchObject([{ accepted: false }]);
});

test('an operator can go back to a stored revision', () => {
  const core = leading();
  expect(performed(core.onOrder(order({ rollback: 4 })))).toEqual([{ type: 'read', change: 1, revision: 4 }]);
  const missing = core.onOutcome({ type: 'read', change: 1, revision: 4, plan: undefined }, 0);
  expect(verdicts(missing)).toEqual([
    { accepted: false, reason: 'there is no revision 4 to roll back to; revision 1 is in force' },
  ]);
  core.onOrder(order({ rollback: 4 }));
  expect(performed(core.onOutcome({ type: 'read', change: 2, revision: 4, plan: next }, 0))).toMatchObject([{ type: 'number' }]);
});

test('an operator can go back to the plan that was in force before, if there is one', () => {
  const core = leading();
  const [read] = performed(core.onOrder(order({ rollback: true })));
  expect(read).toEqual({ type: 'read-before', change: 1, revision: 1 });
  expect(verdicts(core.onOutcome({ type: 'read', change: 1, revision: 0, plan: undefined }, 0))).toEqual([
    { accepted: false, reason: 'there is no revision 0 to roll back to; revision 1 is in force' },
  ]);
  core.onOrder(order({ rollback: true }));
  expect(verdicts(core.onOutcome({ type: 'failed', task: { ...read, change: 2 } as PlanTask, reason: 'no answer' }, 0))).toEqual([
    { accepted: false, reason: 'no answer' },
  ]);
  core.onOrder(order({ rollback: true }));
  expect(performed(core.onOutcome({ type: 'read', change: 3, revision: 1, plan: next }, 0))).toMatchObject([{ type: 'number' }]);
});

test('an operator who waits for a verdict when the term ends is told; a plan that was being stored is in force anyway', () => {
  const core = preparing();
  core.onPrepared(prepared, 10);
  expect(verdicts(core.lead(false))).toMatchObject([{ accepted: false, reason: expect.stringContaining('taken over') }]);
  const effects = core.onOutcome({ type: 'adopted', change: 1, next: { revision: 2, plan: next } }, 30);
  expect(sentOn(COMMIT, effects)).toEqual([{ revision: 2 }]);
  expect(verdicts(effects)).toEqual([]);
});

test('the plan in the file is proposed once all its devices are up, if it was never in force', () => {
  const core = created();
  core.onState(deviceState({ phase: 'loading' }), 0);
  core.lead(true);
  core.onOutcome({ type: 'took-over', term: 1, stored: { revision: 3, plan }, knowsWanted: false }, 0);
  expect(performed(core.tick(100))).toEqual([]);
  core.onState(deviceState(), 150);
  expect(performed(core.tick(200))).toEqual([{ type: 'number', change: 1, above: 3 }]);
  expect(performed(core.tick(300))).toEqual([]);
});

test('processes that ask for the plan at the same time get one answer, from the history or as far as known', () => {
  const core = leading();
  expect(performed(core.onPlanRequested(100))).toEqual([]);
  expect(performed(core.onPlanRequested(300))).toEqual([{ type: 'read-current', settles: false }]);
  expect(performed(core.onPlanRequested(310))).toEqual([]);
  const stored = { revision: 2, plan: next };
  expect(performed(core.onOutcome({ type: 'current', stored }, 320))).toEqual([{ type: 'announce', plan: stored }]);
  const [read] = performed(core.onPlanRequested(900));
  const effects = core.onOutcome({ type: 'failed', task: read, reason: 'no answer' }, 910);
  expect(performed(effects)).toEqual([{ type: 'announce', plan: stored }]);
});

test('a history that the server lost is written again, with retries', () => {
  const core = leading();
  const [task] = performed(core.onHistoryLost());
  expect(task).toMatchObject({ type: 'restore', inForce: { revision: 1 }, noteWanted: true });
  core.onOutcome({ type: 'failed', task, reason: 'no leader' }, 10);
  expect(performed(core.tick(510))).toEqual([task]);
});

test('a standby follows the plan that the leader put in force, and never goes back', () => {
  const core = created();
  core.onPrepare({ revision: 4, plan: next });
  core.onCommit({ revision: 4 });
  core.onPrepare({ revision: 2, plan: file });
  core.onCommit({ revision: 2 });
  expect(performed(core.lead(true))).toMatchObject([{ inForce: { revision: 4 }, wasLost: true }]);
});

test('after a restart of the actor, the plan that was in force stays, even if the history is empty by then', () => {
  const before = leading();
  before.onOutcome({ type: 'adopted', change: 1, next: { revision: 2, plan: next } }, 0);
  expect(performed(created(undefined, before).lead(true))).toMatchObject([
    { type: 'take-over', inForce: { revision: 2 }, wasLost: true },
  ]);
});

test('while gears name an earlier plan, the plan in force is announced and committed again', () => {
  const core = leading();
  core.onOutcome({ type: 'adopted', change: 1, next: { revision: 2, plan: next } }, 0);
  const gear = { gear: 0, epoch: 1, decidedAt: 0 };
  const effects = core.onGear({ ...gear, revision: 1 }, 1_000);
  expect(performed(effects)).toEqual([{ type: 'announce', plan: { revision: 2, plan: next } }]);
  expect(sentOn(COMMIT, effects)).toEqual([{ revision: 2 }]);
  expect(core.onGear({ ...gear, revision: 1 }, 1_001)).toEqual([]);
  // A later plan is a successor's.
  for (const revision of [2, 3]) expect(core.onGear({ ...gear, revision }, 5_000)).toEqual([]);
});

test('a standby remembers a plan that comes into force, even if the previous one is announced again meanwhile', () => {
  const core = created();
  core.onPrepare({ revision: 2, plan: next });
  core.onPrepare({ revision: 1, plan });
  core.onCommit({ revision: 2 });
  expect(performed(core.lead(true))).toMatchObject([{ type: 'take-over', inForce: { revision: 2 } }]);
});

test.each([
  ['was superseded', { type: 'superseded' }, [{ revision: 2 }], 'another controller put a plan in force'],
  // Whoever leads next may find it in force.
  ['may be in force', { type: 'unconfirmed', reason: 'no answer' }, [], 'the plan store did not confirm revision 2: no answer'],
] as const)('the replicas of a plan that %s are given up only if it cannot come into force', (_, end, aborted, reason) => {
  const core = preparing();
  core.onPrepared(prepared, 10);
  const effects = core.onOutcome({ ...end, change: 1, next: { revision: 2, plan: next } }, 20);
  expect(sentOn(ABORT, effects)).toEqual(aborted);
  expect(sentOn(COMMIT, effects)).toEqual([]);
  expect(verdicts(effects)).toMatchObject([{ accepted: false, reason: expect.stringContaining(reason) }]);
  expect(core.isDrained).toBe(true);
});

/** A leader that wants the plan of its file in force. */
function wanting(check?: (plan: GearPlan) => readonly string[]): PlanKeeperCore {
  const core = created(check);
  core.lead(true);
  core.onOutcome({ type: 'took-over', term: 1, stored: undefined, knowsWanted: false }, 0);
  return core;
}

test('the plan of the file is proposed when all its devices are there, and again if it was rejected meanwhile', () => {
  const core = wanting();
  expect(performed(core.tick(5_000)), 'its device is silent').toEqual([]);
  core.onState(deviceState({ incarnation: 'i' }), 5_000);
  expect(performed(core.tick(5_100))).toMatchObject([{ type: 'number', change: 1 }]);
  core.onOutcome({ type: 'numbered', change: 1, revision: 2 }, 5_100);
  core.onState(deviceState({ incarnation: 'restarted' }), 5_200);
  expect(sentOn(EVENTS, core.tick(5_200))).toMatchObject([{ type: 'plan-rejected' }]);
  expect(performed(core.tick(10_000))).toEqual([]);
  core.onState(deviceState({ incarnation: 'restarted' }), 10_100);
  expect(performed(core.tick(10_100))).toMatchObject([{ type: 'number', change: 2 }]);
  core.onOutcome({ type: 'numbered', change: 2, revision: 3 }, 10_100);
  core.onPrepared({ revision: 3, device: 'd0', incarnation: 'restarted' }, 10_200);
  core.onOutcome({ type: 'adopted', change: 2, next: { revision: 3, plan: file } }, 10_300);
  core.onState(deviceState({ incarnation: 'restarted' }), 600_000);
  expect(performed(core.tick(600_000))).toEqual([]);
});

test('the plan of the file waits for an order that is under way, and is not wanted after another plan came into force', () => {
  const core = wanting();
  core.onOrder(order(next));
  expect(performed(core.tick(10))).toEqual([]);
  core.onOutcome({ type: 'numbered', change: 1, revision: 2 }, 20);
  core.onPrepared(prepared, 30);
  core.onOutcome({ type: 'adopted', change: 1, next: { revision: 2, plan: next } }, 40);
  core.onState(deviceState({ incarnation: 'i' }), 60_000);
  expect(performed(core.tick(60_000))).toEqual([]);
});

test('a plan of the file that cannot be served is rejected once', () => {
  const core = wanting((each) => (each === file ? ['no such model'] : []));
  expect(sentOn(EVENTS, core.tick(10))).toMatchObject([{ type: 'plan-rejected', reason: 'no such model' }]);
  core.onState(deviceState({ incarnation: 'i' }), 60_000);
  expect(core.tick(60_000)).toEqual([]);
});

test('a plan that the store did not confirm is looked up until it is known, and comes into force if it is stored', () => {
  const core = preparing();
  core.onPrepared(prepared, 100);
  core.onOutcome({ type: 'unconfirmed', change: 1, next: { revision: 2, plan: next }, reason: 'no answer' }, 10_000);
  core.onState(deviceState({ incarnation: 'i' }), 10_400);
  expect(performed(core.tick(10_400))).toEqual([]);
  const [task] = performed(core.tick(10_500));
  expect(task).toEqual({ type: 'read-current', settles: true });
  expect(core.onOutcome({ type: 'failed', task, reason: 'no answer' }, 10_600)).toEqual([]);
  expect(performed(core.tick(11_100))).toEqual([task]);
  const effects = core.onOutcome({ type: 'current', stored: { revision: 2, plan: next } }, 11_200);
  expect(core.inForce.revision).toBe(2);
  expect(sentOn(COMMIT, effects)).toEqual([{ revision: 2 }]);
  expect(sentOn(EVENTS, effects)).toEqual([{ type: 'plan-adopted', revision: 2 }]);
  expect(performed(core.tick(60_000))).toEqual([]);
});
