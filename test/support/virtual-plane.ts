import { merge, type Observable } from 'rxjs';
import { decodeAnswers } from '../../actors/client/answers.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { encode } from '../../plans/protocol/codec.ts';
import type { Answer } from '../../plans/protocol/messages.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { createLocalBus } from '../doubles/local-bus.ts';
import { VirtualClock } from '../doubles/virtual-clock.ts';
import { busWith } from './bus-with.ts';
import { type Plane, type PlaneOptions, startPlane, type TestSample } from './plane.ts';

export interface VirtualPlane extends Plane {
  readonly clock: VirtualClock;
  readonly bus: Bus;
  /** Answers in order of arrival, with their times. */
  readonly answers: { at: number; answer: Answer }[];
  infer(id: string, sample: TestSample, fields?: Readonly<Record<string, unknown>>): void;
  /** Runs everything due up to `timeMs`. */
  runUntil(timeMs: number): Promise<void>;
}

/** Chains of promises (flushes, store requests) settle between callbacks, as they would between turns of the real event loop. */
const LONGEST_CHAIN = 20;

/** Runs everything due up to `timeMs`. */
export async function runClock(clock: VirtualClock, timeMs: number): Promise<void> {
  for (let next = clock.nextAt; next !== undefined && next <= timeMs; next = clock.nextAt) {
    clock.step();
    for (let i = 0; i < LONGEST_CHAIN; i++) await Promise.resolve();
  }
  clock.runUntil(timeMs);
}

export interface VirtualPlaneOptions extends PlaneOptions {
  readonly clock?: VirtualClock;
  /** An existing bus on that clock. */
  readonly bus?: Bus;
  readonly maxPayloadBytes?: number;
  /** Its errors end the actors' subscriptions to that subject, as if a server refused them. */
  readonly refusals?: { readonly subject: string; readonly refused$: Observable<never> };
}

/** Starts the real actors on the in-process bus under a virtual clock; the start takes 1,000 ms of virtual time. */
export async function startVirtualPlane(plan: GearPlan, options: VirtualPlaneOptions = {}): Promise<VirtualPlane> {
  const clock = options.clock ?? new VirtualClock();
  const bus = options.bus ?? createLocalBus(clock, { maxPayloadBytes: options.maxPayloadBytes });
  const answers: VirtualPlane['answers'] = [];
  bus
    .messages$('answers')
    .subscribe(({ data }) => answers.push(...decodeAnswers(data).map((answer) => ({ at: clock.now(), answer }))));

  const runUntil = (timeMs: number): Promise<void> => runClock(clock, timeMs);
  const { refusals } = options;
  const beganAt = clock.now();
  const plane = startPlane(refusals === undefined ? bus : refusing(bus, refusals), clock, plan, options);
  await runUntil(beganAt + 1_000);
  return {
    ...plane,
    clock,
    bus,
    answers,
    infer: (id, sample, fields = {}) => {
      bus.publish(subjectsOf('test').infer, encode({ id, inputs: { x: Uint8Array.from(sample) }, ...fields }), {
        reply: 'answers',
      });
    },
    runUntil,
  };
}

function refusing(bus: Bus, { subject, refused$ }: NonNullable<VirtualPlaneOptions['refusals']>): Bus {
  return busWith(bus, {
    messages$: (on, options) => (on === subject ? merge(bus.messages$(on, options), refused$) : bus.messages$(on, options)),
  });
}
