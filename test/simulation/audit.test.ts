import { NEVER, Observable, of, startWith } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { driftMonitorActor } from '../../actors/controller/drift-monitor.ts';
import { statusActor } from '../../actors/controller/status.ts';
import { requestStatus } from '../../actors/operator/ask-status.ts';
import { startActor } from '../../engine/actor/actor.ts';
import type { Backend, BatchOutput } from '../../engine/backend/backend.ts';
import type { Clock } from '../../engine/clock.ts';
import { CascadeError } from '../../engine/errors.ts';
import { silentLogger } from '../../engine/log.ts';
import { createRandom } from '../../engine/random.ts';
import type { Sample } from '../../engine/tensor/tensor.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import type { Profile } from '../../plans/domain/profile/profile.ts';
import { certaintyEdges } from '../../plans/drift/certainty-bins.ts';
import { decode, encode } from '../../plans/protocol/codec.ts';
import type { DeviceState } from '../../plans/protocol/control-messages.ts';
import type { EventMessage } from '../../plans/protocol/events.ts';
import { isFailure } from '../../plans/protocol/messages.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { VirtualClock } from '../doubles/virtual-clock.ts';
import { judgedBy } from '../support/judges.ts';
import { planOf } from '../support/plans.ts';
import { startVirtualPlane, type VirtualPlane } from '../support/virtual-plane.ts';

const models = ['small', 'large'];
const subjects = subjectsOf('test');
const SPECS = [{ name: 'x', dtype: 'uint8', shape: [3], pad: 0 }] as const;
const MS = [1, 3];
const SAMPLES = 1_000;
const AGREE = 0;
/** The large model disagrees, or cannot read the sample. */
const DIFFER = 1;
const UNREADABLE = 2;

/** A sample: the certainty of the small model in percent, that of the large one, and the large one's verdict. */
type AuditSample = readonly [number, number, number];

/** On the validation samples the small model is certain of 8 in 10, of which the large one disagrees with 1 in 50. */
const certaintyOf = (sample: number): number => (sample % 10 < 8 ? 90 : 20);
const profile = {
  models: models.map((name, m) => ({
    name,
    certainties: Float32Array.from({ length: SAMPLES }, (_, i) => (m === 0 ? certaintyOf(i) : 1 + (i % 90)) / 100),
    predictions: Int32Array.from({ length: SAMPLES }, (_, i) => (m === 1 && i % 50 === 0 ? 1 : 0)),
    quality: new Float32Array(SAMPLES).fill(m === 0 ? 0.8 : 0.9),
  })),
} as never as Profile;

function backend(clock: Clock): Backend {
  return {
    emulated: true,
    load: () => of({ inputs: [], outputs: [] }),
    unload: () => of(),
    close: async () => undefined,
    run: (name: string, batch: readonly Sample[]) =>
      new Observable<BatchOutput>((subscriber) => {
        const model = models.indexOf(name);
        const computeMs = MS[model] * batch.length;
        return clock.after(computeMs, () => {
          const rows = batch.map(([{ data }]) => ({ certainty: data[model] / 100, label: model === 0 ? AGREE : data[2] }));
          if (rows.some(({ label }) => label === UNREADABLE)) {
            subscriber.error(new CascadeError('INTERNAL', 'cannot read a sample'));
            return;
          }
          const scores = Float32Array.from(rows.flatMap(({ label }) => (label === 0 ? [1, 0] : [0, 1])));
          const certainty = Float32Array.from(rows, (row) => row.certainty);
          subscriber.next({ scores, classes: 2, auxiliary: certainty, computeMs });
          subscriber.complete();
        });
      }),
  };
}

interface Audited extends VirtualPlane {
  readonly events: EventMessage[];
  /** What heartbeats counted for the small model's answers. */
  readonly counted: () => { drawn: number; compared: number; differed: number };
  /** For the large model's answers: whether the small one had agreed or not. */
  readonly ownAnswers: () => { agreed: number; differed: number };
  ask(sample: AuditSample): void;
}

async function start(plan: GearPlan, audit: { share: number; utilisation?: number } | undefined): Promise<Audited> {
  const clock = new VirtualClock();
  const settings = audit && { utilisation: 0.7, bound: 0.02, minSamples: 200, ...audit };
  const plane = await startVirtualPlane(plan, {
    clock,
    specs: SPECS,
    device: (device) => ({
      judge: judgedBy({ output: 'certainty' }, 'logits'),
      ...(settings && {
        audit: { settings, random: createRandom(device), agree: (a, b) => a.label === b.label },
      }),
    }),
    weights: {
      certaintyEdges: profile.models.map(({ certainties }) => certaintyEdges(certainties)),
      profiled: MS.map((ms) => ({ batch: [1, 8], ms: [ms, 8 * ms] })),
      accuracy: [0.8, 0.9],
    },
    createBackend: () => backend(clock),
  });
  const { bus } = plane;
  const events: EventMessage[] = [];
  bus.messages$(subjects.events).subscribe(({ data }) => events.push(decode<EventMessage>(data)));
  const sums = { drawn: 0, compared: 0, differed: 0 };
  const own = { agreed: 0, differed: 0 };
  bus.messages$(subjects.allState).subscribe(({ data }) => {
    for (const { model, drawn, agreed, differed } of decode<DeviceState>(data).audits ?? []) {
      const differ = differed.reduce((sum, count) => sum + count, 0);
      if (model === 'large') {
        own.differed += differ;
        own.agreed += agreed.reduce((sum, count) => sum + count, 0);
        continue;
      }
      sums.drawn += drawn;
      sums.compared += differ + agreed.reduce((sum, count) => sum + count, 0);
      sums.differed += differ;
    }
  });
  const leading$ = NEVER.pipe(startWith(true));
  const system = { bus, clock, log: silentLogger };
  const first = { revision: 1, plan };
  const drift = { qpsBound: 1, certaintyBound: 1, minSamples: 1_000_000, replan: 'never', replanIntervalMs: 60_000 } as const;
  startActor(
    driftMonitorActor({
      subjects,
      start: first,
      profileOf: () => profile,
      settings: drift,
      audit: settings,
      leading$,
      replan: () => of(''),
    }),
    system,
  );
  startActor(statusActor({ deployment: 'test', subjects, start: first, leading$ }), system);
  let sent = 0;
  return {
    ...plane,
    events,
    counted: () => sums,
    ownAnswers: () => own,
    ask: (sample) =>
      bus.publish(subjects.infer, encode({ id: String(sent++), inputs: { x: Uint8Array.from(sample) } }), { reply: 'answers' }),
  };
}

/** The i-th request; the large model disagrees with `wrong` in 100 of those that the small one is certain of. */
function sampleAt(i: number, wrong: number): AuditSample {
  const differs = (i * 37) % 100 < wrong;
  return [certaintyOf(i), 1 + (i % 90), differs ? DIFFER : AGREE];
}

async function load(plane: Audited, seconds: number, qps: number, sample: (i: number) => AuditSample): Promise<void> {
  for (let i = 0; i < seconds * qps; i++) {
    plane.ask(sample(i));
    await plane.runUntil(plane.clock.now() + 1_000 / qps);
  }
}

async function statusOf(plane: Audited) {
  const asked = requestStatus(plane.bus, subjects);
  await plane.runUntil(plane.clock.now() + 1);
  return asked;
}

const cascade = planOf({ models, stepQps: 1_000 });

describe('with time to spare', () => {
  test('a share of the certain answers is compared, and the loss is found and reported, as is its end', async () => {
    const plane = await start(cascade, { share: 0.2 });
    await load(plane, 60, 100, (i) => sampleAt(i, 2));
    const before = (await statusOf(plane)).drift?.audit;
    expect(before).toMatchObject({ reference: 'large', lost: false });
    expect(before?.disagreement?.estimate).toBeLessThan(0.05);

    await load(plane, 60, 100, (i) => sampleAt(i, 40));
    const { drift } = await statusOf(plane);
    // The small model gives 8 in 10 answers, of which 4 in 10 differ.
    expect(drift?.audit?.disagreement?.low).toBeLessThan(0.32);
    expect(drift?.audit?.disagreement?.high).toBeGreaterThan(0.32);
    expect(drift?.audit).toMatchObject({ lost: true });
    await load(plane, 60, 100, (i) => sampleAt(i, 2));
    const told = plane.events.filter((event) => event.type === 'audit');
    expect(told.map(({ state }) => state)).toEqual(['loss', 'recovered']);
    expect(told[0].text).toContain('large would answer');

    const { drawn, compared } = plane.counted();
    // A fifth of 18,000 answers, drawn from the 14,400 certain ones; with a standard deviation of 54.
    expect(Math.abs(drawn - 3_600)).toBeLessThan(270);
    expect(compared).toBeGreaterThan(0.95 * drawn);
  });

  test('clients get the same answers, later by no more than one audit', async () => {
    const answersOf = async (audit: { share: number } | undefined) => {
      const plane = await start(cascade, audit);
      const random = createRandom(5);
      for (let i = 0; i < 1_000; i++) {
        plane.ask(sampleAt(i, 30));
        await plane.runUntil(plane.clock.now() + random.exponential(12));
      }
      await plane.runUntil(plane.clock.now() + 1_000);
      expect(plane.counted().compared).toBeGreaterThan(audit === undefined ? -1 : 500);
      return new Map(plane.answers.map(({ at, answer }) => [answer.id, { at, answer }]));
    };
    const without = await answersOf(undefined);
    const audited = await answersOf({ share: 1 });
    expect(audited.size).toBe(1_000);
    let later = 0;
    for (const [id, { at, answer }] of audited) {
      const other = without.get(id)!;
      if (isFailure(answer) || isFailure(other.answer)) throw new Error('all are answered');
      expect([answer.label, answer.model]).toEqual([other.answer.label, other.answer.model]);
      later += at - other.at;
    }
    expect(later / 1_000).toBeLessThan(MS[1]);
  });

  test('answers of the most accurate model are counted by the opinion of the previous model', async () => {
    const plane = await start(cascade, { share: 1 });
    await load(plane, 2, 50, (i) => [20, 50, i % 4 === 0 ? DIFFER : AGREE]);
    await plane.runUntil(plane.clock.now() + 200);
    expect(plane.ownAnswers()).toEqual({ agreed: 75, differed: 25 });
    expect(plane.counted()).toMatchObject({ drawn: 0, compared: 0 });
  });

  test('a sample that the most accurate model cannot read is not compared, and clients do not notice', async () => {
    const plane = await start(cascade, { share: 1 });
    await load(plane, 2, 50, () => [90, 50, UNREADABLE]);
    expect(plane.counted()).toMatchObject({ drawn: 100, compared: 0 });
    expect(plane.answers.every(({ answer }) => !isFailure(answer))).toBe(true);
  });
});

test('at full load nothing is audited, and every answer comes at the same time as without audits', async () => {
  const answersOf = async (audit: { share: number } | undefined) => {
    const plane = await start(cascade, audit);
    // More than the device carries from the start: something always waits.
    for (let i = 0; i < 30; i++) plane.ask(sampleAt(i, 30));
    await load(plane, 3, 800, (i) => sampleAt(i, 30));
    const { compared } = plane.counted();
    return { compared, answers: plane.answers.map(({ at, answer: { id } }) => ({ at, id })) };
  };
  const audited = await answersOf({ share: 0.5 });
  expect(audited.compared).toBe(0);
  expect(audited.answers).toEqual((await answersOf(undefined)).answers);
});

test('a device that is busier than allowed does not audit, even when nothing waits', async () => {
  const plane = await start(cascade, { share: 1, utilisation: 0.3 });
  await load(plane, 4, 400, () => [90, 50, AGREE]);
  // Busy at least 0.4 most of the time: only a few audits at the start.
  const { drawn, compared } = plane.counted();
  expect(compared).toBeLessThan(0.2 * drawn);
});

describe('if another device holds the most accurate model', () => {
  const two = planOf({ models, devices: ['d0', 'd1'], stepQps: 1_000 });
  const apart: GearPlan = {
    ...two,
    placement: [
      { model: 'small', device: 'd0' },
      { model: 'large', device: 'd1' },
    ],
    gears: two.gears.map((gear) => ({ ...gear, shares: { small: { d0: 1 }, large: { d1: 1 } } })),
  };

  test('it gets audits while it has spare time', async () => {
    const plane = await start(apart, { share: 0.5 });
    await load(plane, 10, 100, (i) => sampleAt(i, 50));
    const { drawn, compared, differed } = plane.counted();
    expect(drawn).toBeGreaterThan(300);
    expect(compared).toBeGreaterThan(0.95 * drawn);
    expect(Math.abs(differed / compared - 0.5)).toBeLessThan(0.1);
  });

  test('it gets none while it is busy', async () => {
    const plane = await start(apart, { share: 1, utilisation: 0.01 });
    let sent = 0;
    plane.bus.messages$(subjects.audit('d1')).subscribe(() => sent++);
    await load(plane, 2, 200, () => [20, 50, AGREE]);
    const before = sent;
    await load(plane, 2, 200, (i) => (i % 2 === 0 ? [20, 50, AGREE] : [90, 50, AGREE]));
    expect(sent - before).toBeLessThan(20);
    expect(plane.counted().drawn).toBeGreaterThan(150);
  });
});
