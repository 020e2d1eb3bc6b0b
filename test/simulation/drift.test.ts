import { NEVER, of, startWith, throwError } from 'rxjs';
import { expect, test } from 'vitest';
import { type DriftMonitorOptions, driftMonitorActor } from '../../actors/controller/drift-monitor.ts';
import { statusActor } from '../../actors/controller/status.ts';
import type { Status } from '../../actors/controller/status-report.ts';
import { requestStatus } from '../../actors/operator/ask-status.ts';
import { startActor } from '../../engine/actor/actor.ts';
import { silentLogger } from '../../engine/log.ts';
import { certaintyEdges } from '../../plans/drift/certainty-bins.ts';
import { decode } from '../../plans/protocol/codec.ts';
import type { EventMessage } from '../../plans/protocol/events.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { planOf } from '../support/plans.ts';
import { startVirtualPlane, type VirtualPlane } from '../support/virtual-plane.ts';

const models = ['small', 'large'];
const plan = planOf({ models, cascades: [['small', 'large'], ['small']], stepQps: 100 });
const subjects = subjectsOf('test');
/** Certainties in percent, evenly from 0 to 99, of each sample and model, and in the validation records. */
const certaintyOf = (sample: number, model: number): number => (sample * (model === 0 ? 37 : 61)) % 100;
const certainties = models.map((_, model) => Float32Array.from({ length: 100 }, (_, sample) => certaintyOf(sample, model) / 100));
const profile = { models: models.map((name, model) => ({ name, certainties: certainties[model] })) } as never;
const SETTINGS = {
  qpsBound: 0.3,
  certaintyBound: 0.15,
  minSamples: 40,
  replan: 'never',
  replanIntervalMs: 60_000,
} as const;

interface Watched extends VirtualPlane {
  readonly events: EventMessage[];
  status(): Promise<Status>;
  /** Seconds with this many requests each; certainties are those of the records, raised by `shift` percent. */
  load(seconds: number, qps: number, shift?: number): Promise<void>;
}

async function startWatched(options: Partial<DriftMonitorOptions> = {}): Promise<Watched> {
  const plane = await startVirtualPlane(plan, { weights: { certaintyEdges: certainties.map(certaintyEdges) }, batchMs: () => 1 });
  const { bus, clock } = plane;
  const events: EventMessage[] = [];
  bus.messages$(subjects.events).subscribe(({ data }) => events.push(decode<EventMessage>(data)));
  const start = { revision: 1, plan };
  const system = { bus, clock, log: silentLogger };
  const leading$ = NEVER.pipe(startWith(true));
  startActor(
    driftMonitorActor({
      subjects,
      start,
      profileOf: () => profile,
      settings: SETTINGS,
      leading$,
      replan: () => of('done'),
      ...options,
    }),
    system,
  );
  startActor(statusActor({ deployment: 'test', subjects, start, leading$: NEVER.pipe(startWith(true)) }), system);
  let sent = 0;
  return {
    ...plane,
    events,
    status: async () => {
      const asked = requestStatus(bus, subjects);
      await plane.runUntil(clock.now() + 1);
      return asked;
    },
    load: async (seconds, qps, shift = 0) => {
      for (let i = 0; i < seconds * qps; i++) {
        const sample = sent++ % 100;
        const percent = (model: number): number => Math.min(99, certaintyOf(sample, model) + shift);
        plane.infer(`r${sent}`, [1, percent(0), percent(1)]);
        await plane.runUntil(clock.now() + 1_000 / qps);
      }
    },
  };
}

const drifts = (events: readonly EventMessage[]) => events.filter((event) => event.type === 'drift');
const replans = (events: readonly EventMessage[]) => events.filter((event) => event.type === 'replan');

test('while load and samples match the plan, nothing is reported; the status shows the measures', async () => {
  const plane = await startWatched();
  for (let round = 0; round < 15; round++) {
    await plane.load(2, 50);
    await plane.load(2, 150);
  }
  expect(drifts(plane.events)).toEqual([]);
  const { drift } = await plane.status();
  expect(drift?.qps).toMatchObject({ drifted: false, plannedMeanQps: 100, qpsMax: 200 });
  expect(drift?.qps.observations).toBeGreaterThanOrEqual(58);
  expect(drift?.qps.distance).toBeLessThan(0.1);
  // Both models; the larger one gets the samples that the smaller one passes on.
  expect(drift?.certainty.map(({ model, drifted }) => [model, drifted])).toEqual([
    ['small', false],
    ['large', false],
  ]);
  expect(drift?.certainty.every(({ distance }) => distance !== null)).toBe(true);
});

test('a load unlike the plan is reported once, with the measures, and again when it is over', async () => {
  const plane = await startWatched();
  await plane.load(60, 150);
  expect(drifts(plane.events)).toMatchObject([{ state: 'begins', what: 'qps' }]);
  await plane.load(60, 50);
  expect(drifts(plane.events)).toMatchObject([{ state: 'begins' }, { state: 'ends', what: 'qps' }]);
});

test('samples on which models are more certain than on the validation samples are reported per model', async () => {
  const plane = await startWatched();
  await plane.load(10, 50, 30);
  const told = drifts(plane.events).filter(({ what }) => what === 'certainty');
  expect(told.map(({ state, model }) => [state, model]).sort()).toEqual([
    ['begins', 'large'],
    ['begins', 'small'],
  ]);
  for (const { distance, bound } of told) expect(distance).toBeGreaterThan(bound);
});

test('a standby measures, but publishes nothing', async () => {
  const plane = await startWatched({ leading$: NEVER.pipe(startWith(false)) });
  await plane.load(60, 150);
  expect(drifts(plane.events)).toEqual([]);
  expect((await plane.status()).drift).toBeNull();
});

test('with replan: auto a drifted load is planned for, no more often than the interval allows, and the outcome is reported', async () => {
  let asked = 0;
  const plane = await startWatched({
    settings: { ...SETTINGS, replan: 'auto' },
    replan: () => (++asked === 1 ? throwError(() => new Error('infeasible')) : of('plan adopted as revision 2')),
  });
  await plane.load(60, 150);
  expect(asked).toBe(1);
  expect(replans(plane.events)).toEqual([
    { type: 'replan', state: 'begins' },
    { type: 'replan', state: 'failed', text: 'infeasible' },
  ]);
  await plane.load(60, 150);
  expect(asked).toBe(2);
  expect(replans(plane.events).at(-1)).toEqual({ type: 'replan', state: 'done', text: 'plan adopted as revision 2' });
});

test('with replan: never, nothing is planned, however far off the load is', async () => {
  let asked = 0;
  const plane = await startWatched({
    replan: () => {
      asked++;
      return of('done');
    },
  });
  await plane.load(70, 150);
  expect(drifts(plane.events)).toHaveLength(1);
  expect(asked).toBe(0);
});

test('the status shows the last decisions on gears, newest first, with their reasons', async () => {
  const plane = await startWatched();
  await plane.load(3, 50);
  await plane.load(3, 180);
  await plane.load(3, 50);
  const { decisions, gear } = await plane.status();
  expect(decisions.map(({ from, to }) => [from, to])).toEqual([
    [1, 0],
    [0, 1],
  ]);
  expect(decisions[0].at).toBeGreaterThan(decisions[1].at);
  for (const { basis } of decisions) expect(basis.rule).toBe('load');
  expect(decisions[1].basis.lowQps).toBeGreaterThanOrEqual(100);
  expect(gear).toMatchObject({ index: 0, basis: { rule: 'load', scale: 1 } });
});
