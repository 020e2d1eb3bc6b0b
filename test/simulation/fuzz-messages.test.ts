import fc from 'fast-check';
import { NEVER, startWith } from 'rxjs';
import { expect, test } from 'vitest';
import { revisedPlan } from '../../actors/controller/revised-plan.ts';
import { statusActor } from '../../actors/controller/status.ts';
import { type RunningActor, startActor } from '../../engine/actor/actor.ts';
import type { Channel } from '../../engine/actor/channel.ts';
import { MalformedMessage, messageOf } from '../../engine/errors.ts';
import { silentLogger } from '../../engine/log.ts';
import { createRandom } from '../../engine/random.ts';
import type { TensorSpec } from '../../engine/tensor/tensor.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { checkPlanFor } from '../../plans/domain/gear-plan/plan-check.ts';
import { decodeAuditItem, encodeAuditItem } from '../../plans/protocol/audit-codec.ts';
import { COMMIT, DONE, DRIFT, EVENTS, GEAR, LOAD, PREPARE, PREPARED, STATE } from '../../plans/protocol/channels.ts';
import { decode, decodeWorkFrame, encode, encodeWorkFrame } from '../../plans/protocol/codec.ts';
import type { GearMessage } from '../../plans/protocol/control-messages.ts';
import { mayAnswerOn, subjectsOf } from '../../plans/protocol/subjects.ts';
import { damaged, oddField, oddValue } from '../support/mutations.ts';
import { deviceState, planOf, workItem } from '../support/plans.ts';
import { startVirtualPlane, type VirtualPlane } from '../support/virtual-plane.ts';

/** Messages per run, and runs: 10,000 messages. Replay a failure with the seed and path that fast-check prints. */
const MESSAGES = 100;
const RUNS = 100;
const SEED = 4;

const models = ['small', 'large'];
const devices = ['d0', 'd1'];
const plan = planOf({ models, devices, cascades: [['small', 'large'], ['small']] });
const specs: readonly TensorSpec[] = [{ name: 'x', dtype: 'uint8', shape: [null], pad: 0 }];
const subjects = subjectsOf('test');
const GOOD = [1, 90, 0];

const item = workItem({ reply: 'stray', deadlineAt: 500, sample: [{ data: Uint8Array.of(1, 90, 0), shape: [3] }] });
const doubtful = {
  ...item,
  seq: 1,
  opinion: { label: 1, certainty: 0.2, model: 'small', stage: 0, gear: 0, revision: 1, scores: [0.4, 0.6] },
};
const auditItem = { opinion: doubtful.opinion, sample: item.sample };
const counted = new Array<number>(20).fill(3);
const state = deviceState({
  audits: [{ revision: 1, gear: 0, model: 'small', answered: 40, drawn: 4, agreed: counted, differed: counted }],
  spare: true,
  certainties: [{ revision: 1, gear: 0, model: 'small', counts: [0, 3] }],
});
const gear: GearMessage = { revision: 1, gear: 1, epoch: 5, decidedAt: 0 };
const drift = { observations: 100, distance: 0.1, bound: 0.2, drifted: false };
const loads = {
  meanQps: 10,
  plannedMeanQps: 12,
  qpsMax: 200,
  weights: [1, 0],
  plannedWeights: [0.5, 0.5],
  histogram: [1, 0],
  above: 0,
};
const share = { estimate: 0.1, low: 0.05, high: 0.2 };
const audit = {
  reference: 'large',
  sinceMs: 50_000,
  answered: 100,
  drawn: 10,
  compared: 9,
  disagreement: share,
  expected: 0.05,
  accuracy: null,
  lost: true,
};
const prepared = { revision: 2, device: 'd0', incarnation: 'forged', problem: 'no memory' };

/** An actor that listens for a kind of message on a subject, and how it decodes it. */
interface Kind {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly good: readonly Readonly<Record<string, unknown>>[];
  /** By actor. Throws MalformedMessage if that actor drops the message. */
  readonly readers: Readonly<Partial<Record<Listener, (data: Uint8Array) => unknown>>>;
}

type Listener = 'frontend' | 'd0' | 'controller' | 'keeper' | 'status';

const reading =
  <T>(channel: Channel<string, T>) =>
  (data: Uint8Array): unknown =>
    channel.codec.decode(data);
/** How actors that only route by a plan read it. */
const revised = (data: Uint8Array): unknown => {
  const message = PREPARE.codec.decode(data);
  try {
    return revisedPlan(message, { models, devices });
  } catch (error) {
    throw new MalformedMessage('prepare', 'plan of another deployment', messageOf(error));
  }
};

const KINDS: readonly Kind[] = [
  {
    name: 'work',
    subjects: ['work.d0.small', 'work.d0.large', 'work.d0.unknown'].map((subject) => `${subjects.root}.${subject}`),
    good: [[item], [item, doubtful], []].map((items) => decode(encodeWorkFrame({ origin: 'f0', items }, specs, 0))),
    readers: { d0: (data) => decodeWorkFrame(data, specs, 0) },
  },
  {
    name: 'audit',
    subjects: [subjects.audit('d0')],
    good: [
      decode(encodeAuditItem(auditItem, specs)),
      { ...decode<object>(encodeAuditItem(auditItem, specs)), opinion: { ...doubtful.opinion, gear: 7 } },
    ],
    readers: { d0: (data) => decodeAuditItem(data, specs) },
  },
  {
    name: 'done',
    subjects: [subjects.done('f0')],
    good: [{ device: 'd0', finished: [0, 1, 99], moved: [{ device: 'd1', seqs: [2, 3] }] }],
    readers: { frontend: reading(DONE) },
  },
  {
    name: 'load',
    subjects: [subjects.load('f0'), subjects.load('ghost')],
    good: [{ frontend: 'ghost', pid: 1, intervalMs: 100, arrivals: 40, dropped: { 'gear: epoch': 1 } }],
    readers: { controller: reading(LOAD), status: reading(LOAD) },
  },
  {
    name: 'state',
    subjects: [subjects.state('d0'), subjects.state('ghost')],
    good: [{ ...state }, { ...state, phase: 'left' }, { ...state, device: 'ghost', dropped: {} }],
    readers: {
      frontend: reading(STATE),
      d0: reading(STATE),
      controller: reading(STATE),
      keeper: reading(STATE),
      status: reading(STATE),
    },
  },
  {
    name: 'gear',
    subjects: [subjects.gear],
    good: [{ ...gear }, { ...gear, gear: 7 }, { ...gear, lost: 'd1' }, { ...gear, revision: 3 }],
    readers: {
      frontend: reading(GEAR),
      d0: reading(GEAR),
      controller: reading(GEAR),
      keeper: reading(GEAR),
      status: reading(GEAR),
    },
  },
  {
    name: 'prepare',
    subjects: [subjects.prepare],
    good: [
      { revision: 2, plan },
      { revision: 3, plan: planOf({ models, devices: ['d1'] }) },
      { revision: 3, plan: planOf({ models, devices: ['elsewhere'] }) },
      { revision: 3, plan: planOf({ models: ['other'], devices }) },
      { revision: 3, plan: planOf({ models, devices, cascades: [['small', 'small', 'large']] }) },
    ],
    readers: { frontend: revised, d0: reading(PREPARE), controller: revised, keeper: reading(PREPARE), status: reading(PREPARE) },
  },
  {
    name: 'prepared',
    subjects: [subjects.prepared],
    good: [prepared],
    readers: { keeper: reading(PREPARED) },
  },
  {
    name: 'event',
    subjects: [subjects.events],
    good: [
      { type: 'gear', revision: 1, from: 0, to: 1, basis: { qps: 1 } },
      { type: 'device-lost', device: 'd1' },
      { type: 'device-speed', device: 'd1', state: 'slow', slowdown: 2, since: 5, starvedShare: null, text: 'slow' },
    ],
    readers: { status: reading(EVENTS) },
  },
  {
    name: 'drift',
    subjects: [subjects.drift],
    good: [{ revision: 1, qps: { ...drift, ...loads }, certainty: [{ model: 'small', ...drift }], audit }],
    readers: { status: reading(DRIFT) },
  },
  {
    name: 'verdict',
    subjects: [subjects.commit],
    good: [{ revision: 2 }],
    readers: { controller: reading(COMMIT), keeper: reading(COMMIT) },
  },
  {
    name: 'verdict',
    subjects: [subjects.abort],
    good: [{ revision: 2 }],
    readers: { frontend: reading(COMMIT), d0: reading(COMMIT), controller: reading(COMMIT) },
  },
];

interface Message {
  readonly kind: Kind;
  readonly subject: string;
  readonly data: Uint8Array;
}

const message: fc.Arbitrary<Message> = fc.constantFrom(...KINDS).chain((kind) => {
  const good = fc.constantFrom(...kind.good);
  const bytes: fc.Arbitrary<Uint8Array> = fc.oneof(
    { weight: 1, arbitrary: good.map((value) => encode(value)) },
    { weight: 4, arbitrary: good.chain(oddField).map((value) => encode(value)) },
    { weight: 4, arbitrary: good.chain((value) => damaged(encode(value))) },
    { weight: 1, arbitrary: oddValue.map((value) => encode(value)) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }) },
  );
  return fc.record({ kind: fc.constant(kind), subject: fc.constantFrom(...kind.subjects), data: bytes });
});

function isMalformed(read: (data: Uint8Array) => unknown, data: Uint8Array): boolean {
  try {
    read(data);
    return false;
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error;
    return true;
  }
}

/** Actor -> kind -> number of messages that it should drop. */
function expectedDrops(messages: readonly Message[]): Record<string, Record<string, number>> {
  const expected: Record<string, Record<string, number>> = {};
  for (const { kind, data } of messages) {
    for (const [listener, read] of Object.entries(kind.readers)) {
      if (!isMalformed(read, data)) continue;
      expected[listener] ??= {};
      expected[listener][kind.name] = (expected[listener][kind.name] ?? 0) + 1;
    }
  }
  return expected;
}

function actualDrops(actors: Readonly<Record<Listener, RunningActor>>): Record<string, Record<string, number>> {
  const actual: Record<string, Record<string, number>> = {};
  for (const [listener, { dropped }] of Object.entries(actors)) {
    for (const [reason, count] of Object.entries(dropped)) {
      const kind = reason.slice(0, reason.indexOf(':'));
      actual[listener] ??= {};
      actual[listener][kind] = (actual[listener][kind] ?? 0) + count;
    }
  }
  return actual;
}

function problemsOf(given: GearPlan): string[] {
  try {
    revisedPlan({ revision: 1, plan: given }, { models, devices });
    return [];
  } catch (error) {
    return [messageOf(error)];
  }
}

async function startAll(): Promise<{ plane: VirtualPlane; actors: Record<Listener, RunningActor> }> {
  const plane = await startVirtualPlane(plan, {
    specs,
    device: {
      audit: {
        settings: { share: 0.5, utilisation: 1 },
        random: createRandom(1),
        agree: (a, b) => a.label === b.label,
      },
    },
    // Like the check of a deployment: a plan that others cannot accept is neither put in force by a forged commit nor announced again.
    keeper: { check: (given) => problemsOf(given) },
    weights: { certaintyEdges: models.map(() => Float64Array.of(0.25, 0.5, 0.75)), accuracy: [0.8, 0.9] },
  });
  const status = startActor(
    statusActor({ deployment: 'test', subjects, start: { revision: 1, plan }, leading$: NEVER.pipe(startWith(true)) }),
    {
      bus: plane.bus,
      clock: plane.clock,
      log: silentLogger,
    },
  );
  const { controller, keeper } = plane;
  return { plane, actors: { frontend: plane.frontends[0], d0: plane.devices.get('d0')!, controller, keeper, status } };
}

/** Sends the messages with good requests in between, and gives everything time to end. */
async function storm(plane: VirtualPlane, messages: readonly Message[]): Promise<void> {
  for (const [i, { subject, data }] of messages.entries()) {
    plane.bus.publish(subject, data);
    plane.infer(`good-${i}`, GOOD);
    if (i % 5 === 0) await plane.runUntil(plane.clock.now() + 20);
  }
  await plane.runUntil(plane.clock.now() + 15_000);
}

function expectNobodyDied(plane: VirtualPlane, actors: Readonly<Record<string, RunningActor>>): void {
  for (const actor of [...plane.devices.values(), ...Object.values(actors)])
    expect([actor.name, actor.restarts]).toEqual([actor.name, 0]);
}

test(`${MESSAGES * RUNS} mutated messages between actors: nobody dies, unreadable messages are counted, and requests end`, {
  timeout: 180_000,
}, async () => {
  let dropped = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(message, { minLength: MESSAGES, maxLength: MESSAGES }), async (messages) => {
      const { plane, actors } = await startAll();
      await storm(plane, messages);
      expectNobodyDied(plane, actors);
      const expected = expectedDrops(messages);
      expect(actualDrops(actors)).toEqual(expected);
      dropped += Object.values(expected).reduce((sum, kinds) => sum + Object.values(kinds).reduce((a, b) => a + b, 0), 0);
      // Forged heartbeats make a frontend send requests again: an answer may come twice, but it comes.
      expect([...new Set(plane.answers.map(({ answer }) => answer.id))].sort()).toEqual(
        messages.map((_, i) => `good-${i}`).sort(),
      );
    }),
    { numRuns: RUNS, seed: SEED, endOnFailure: true },
  );
  expect(dropped).toBeGreaterThan((MESSAGES * RUNS) / 2);
});

test('unreadable messages change nothing: good requests in between get their results, once', {
  timeout: 180_000,
}, async () => {
  const bad = message.filter(({ kind, data }) => Object.values(kind.readers).every((read) => isMalformed(read, data)));
  await fc.assert(
    fc.asyncProperty(fc.array(bad, { minLength: 50, maxLength: 50 }), async (messages) => {
      const { plane, actors } = await startAll();
      await storm(plane, messages);
      expectNobodyDied(plane, actors);
      expect(plane.answers.map(({ answer }) => answer.id).sort()).toEqual(messages.map((_, i) => `good-${i}`).sort());
      for (const { answer } of plane.answers) expect(answer).toMatchObject({ label: 1, model: 'small' });
    }),
    { numRuns: 40, seed: SEED, endOnFailure: true },
  );
});

const planBody = fc.oneof(
  fc.constant(plan).chain((good) => oddField(good as unknown as Record<string, unknown>)),
  fc.constantFrom<unknown>(plan, { ...plan, models: ['../../etc/passwd', 'large'] }, { rollback: true }),
  oddValue.map((value) => ({ rollback: value })),
  oddValue,
);
const order = fc.oneof(
  planBody.map((value) => Uint8Array.from(Buffer.from(JSON.stringify(value) ?? ''))),
  planBody.chain((value) => damaged(Uint8Array.from(Buffer.from(JSON.stringify(value) ?? '')))),
);
const questionReply = fc.constantFrom(
  'answer',
  subjects.gear,
  subjects.work('d0', 'small'),
  '$SYS.x',
  'cascade.other.control.plan',
);

test('each mutated plan gets one verdict, and nobody can make the controller publish where it must not', {
  timeout: 180_000,
}, async () => {
  const check = (given: GearPlan): string[] =>
    checkPlanFor(
      {
        name: 'test',
        models: models.map((name) => ({ name, file: name, maxBatch: 8 })),
        devices: devices.map((id) => ({ id, kind: 'emulated', like: 'any', memoryBytes: 10, host: 'local' })),
      },
      given,
    );
  const orders = fc.array(fc.tuple(order, questionReply), { minLength: 25, maxLength: 25 });
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(orders, async (given) => {
      const plane = await startVirtualPlane(plan, { specs, keeper: { check } });
      const system = { bus: plane.bus, clock: plane.clock, log: silentLogger };
      const status = startActor(
        statusActor({ deployment: 'test', subjects, start: { revision: 1, plan }, leading$: NEVER.pipe(startWith(true)) }),
        system,
      );
      const verdicts = new Map<string, number>();
      plane.bus.messages$('verdict.*').subscribe(({ subject, data }) => {
        verdicts.set(subject, (verdicts.get(subject) ?? 0) + 1);
        if ((JSON.parse(Buffer.from(data).toString()) as { accepted: boolean }).accepted) accepted++;
      });
      let answers = 0;
      const forbidden: string[] = [];
      plane.bus.messages$('answer').subscribe(() => answers++);
      for (const subject of ['$SYS.>', 'cascade.other.>'])
        plane.bus.messages$(subject).subscribe((heard) => forbidden.push(heard.subject));
      for (const [i, [data, reply]] of given.entries()) {
        plane.bus.publish(subjects.plan, data, { reply: `verdict.${i}` });
        plane.bus.publish(subjects.status, data, { reply });
        await plane.runUntil(plane.clock.now() + 500);
      }
      await plane.runUntil(plane.clock.now() + 15_000);
      expect([...verdicts].sort()).toEqual(given.map((_, i) => [`verdict.${i}`, 1]).sort());
      const answerable = given.filter(([, reply]) => mayAnswerOn(subjects, reply)).length;
      expect(answers).toBe(answerable);
      expect(status.dropped).toEqual(
        answerable === given.length ? {} : { 'status: no permitted reply subject': given.length - answerable },
      );
      expect(forbidden).toEqual([]);
      expectNobodyDied(plane, { keeper: plane.keeper, controller: plane.controller, frontend: plane.frontends[0], status });
    }),
    { numRuns: 40, seed: SEED, endOnFailure: true },
  );
  expect(accepted).toBeGreaterThan(0);
});
