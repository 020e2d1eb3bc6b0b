import { expect, test } from 'vitest';
import { createRandom } from '../../engine/random.ts';
import { NO_NUMBER } from '../../plans/domain/cascade/certainty.ts';
import { compilePlan } from '../../plans/policy/compiled-plan.ts';
import { decode, encode } from '../../plans/protocol/codec.ts';
import type { Answer } from '../../plans/protocol/messages.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { simulatedSystem } from '../../plans/simulator/simulated-system.ts';
import { simulationReport } from '../../plans/simulator/simulation-report.ts';
import { Simulator } from '../../plans/simulator/simulator.ts';
import { traceWorkload } from '../../plans/simulator/workload.ts';
import { SYNTHETIC_INPUTS, syntheticProfile } from '../../plans/synthetic/synthetic.ts';
import { constantTrace } from '../../plans/traces/trace.ts';
import { createLocalBus } from '../doubles/local-bus.ts';
import { VirtualClock } from '../doubles/virtual-clock.ts';
import { emulatedDevice } from '../support/emulated-device.ts';
import { judgedBy } from '../support/judges.ts';
import { startPlane } from '../support/plane.ts';
import { planOf } from '../support/plans.ts';

/** Of ten samples, the small model gives NaN for the first two and the large one for the second: one is answered, one fails. */

const made = syntheticProfile({
  seed: 2,
  samples: 10,
  deviceClasses: { gpu: 1 },
  models: [
    { name: 'small', accuracy: 0.7, fixedMs: 2, perSampleMs: 1, memoryBytes: 1 },
    { name: 'large', accuracy: 0.9, fixedMs: 20, perSampleMs: 10, memoryBytes: 1 },
  ],
});
const without = (model: (typeof made.models)[number], samples: readonly number[]) => ({
  ...model,
  certainties: model.certainties.map((certainty, i) => (samples.includes(i) ? NO_NUMBER : certainty)),
  quality: model.quality.map((quality, i) => (samples.includes(i) ? 0 : quality)),
});
const profile = { ...made, models: [without(made.models[0], [0, 1]), without(made.models[1], [1])] };
/** So low that every valid answer is certain enough. */
const plan = planOf({ models: ['small', 'large'], threshold: -1 });

test('live, the sample moves on to the next model, and fails at the last one', async () => {
  const clock = new VirtualClock();
  const bus = createLocalBus(clock);
  const answers = new Map<string, Answer>();
  bus.messages$('answers').subscribe(({ data }) => {
    const answer = decode<Answer>(data);
    answers.set(answer.id, answer);
  });
  startPlane(bus, clock, plan, {
    frontend: { specs: SYNTHETIC_INPUTS },
    device: {
      specs: SYNTHETIC_INPUTS,
      judge: judgedBy({ output: 'recorded' }),
      createBackend: () => emulatedDevice(profile, 'gpu', clock),
    },
  });
  const runUntil = async (timeMs: number): Promise<void> => {
    for (let next = clock.nextAt; next !== undefined && next <= timeMs; next = clock.nextAt) {
      clock.step();
      await Promise.resolve();
    }
    clock.runUntil(timeMs);
  };
  await runUntil(1_000);
  for (let i = 0; i < 3; i++)
    bus.publish(subjectsOf('test').infer, encode({ id: `s${i}`, inputs: { sample: [i] } }), { reply: 'answers' });
  await runUntil(2_000);
  expect(answers.get('s0')).toMatchObject({ model: 'large', label: made.models[1].predictions[0], exit: 'last' });
  expect(answers.get('s1')).toMatchObject({
    error: { code: 'INVALID_ARGUMENT', message: 'model large returned scores that are not numbers (NaN) for this input' },
  });
  expect(answers.get('s2')).toMatchObject({ model: 'small', exit: 'certain' });
});

test('simulated, the same: nine of ten are answered, and one is an error', () => {
  const system = simulatedSystem(profile, [{ id: 'd0', deviceClass: 'gpu', memoryBytes: 10 }], [undefined, undefined]);
  const workload = traceWorkload(constantTrace(10, 20), system.samples, createRandom(3));
  for (const deadlineMs of [undefined, 10_000]) {
    const outcomes = new Simulator(system).run(compilePlan(plan), workload, deadlineMs === undefined ? {} : { deadlineMs });
    const { report } = simulationReport(system, workload, outcomes, undefined);
    const failing = Array.from(outcomes.sample.subarray(0, outcomes.requests)).filter((sample) => sample === 1).length;
    expect(failing).toBeGreaterThan(0);
    expect(report).toMatchObject({ errors: failing, completed: outcomes.requests - failing, rejected: 0, lost: 0 });
  }
});
