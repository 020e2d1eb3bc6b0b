import { expect, test } from 'vitest';
import { decode, encode } from '../../plans/protocol/codec.ts';
import type { Result } from '../../plans/protocol/messages.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { SYNTHETIC_INPUTS, syntheticProfile } from '../../plans/synthetic/synthetic.ts';
import { createLocalBus } from '../doubles/local-bus.ts';
import { VirtualClock } from '../doubles/virtual-clock.ts';
import { emulatedDevice } from '../support/emulated-device.ts';
import { judgedBy } from '../support/judges.ts';
import { startPlane } from '../support/plane.ts';
import { planOf } from '../support/plans.ts';

const THRESHOLD = 0.5;
/** Far enough apart that no request waits for another. */
const EVERY_MS = 100;

test('the real actors on emulated devices answer each sample as recorded, at the exact time', async () => {
  const profile = syntheticProfile({
    seed: 5,
    samples: 40,
    deviceClasses: { gpu: 1 },
    models: [
      { name: 'small', accuracy: 0.7, fixedMs: 2, perSampleMs: 1, memoryBytes: 1 },
      { name: 'large', accuracy: 0.9, fixedMs: 20, perSampleMs: 10, memoryBytes: 1 },
    ],
  });
  const clock = new VirtualClock();
  const bus = createLocalBus(clock);
  const answers = new Map<string, { at: number; result: Result }>();
  bus.messages$('answers').subscribe(({ data }) => {
    const result = decode<Result>(data);
    answers.set(result.id, { at: clock.now(), result });
  });
  startPlane(bus, clock, planOf({ models: ['small', 'large'], threshold: THRESHOLD }), {
    frontend: { specs: SYNTHETIC_INPUTS },
    device: {
      specs: SYNTHETIC_INPUTS,
      judge: judgedBy({ output: 'recorded' }, 'logits'),
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
  for (let i = 0; i < 40; i++) {
    bus.publish(subjectsOf('test').infer, encode({ id: `s${i}`, inputs: { sample: [i] } }), { reply: 'answers' });
    await runUntil(1_000 + (i + 1) * EVERY_MS);
  }
  const [small, large] = profile.models;
  for (let i = 0; i < 40; i++) {
    const goesOn = small.certainties[i] < THRESHOLD;
    const model = goesOn ? large : small;
    const answer = answers.get(`s${i}`);
    expect(answer?.result).toMatchObject({ model: model.name, label: model.predictions[i], certainty: model.certainties[i] });
    // One sample takes 3 ms in the small model, and 30 ms more in the large one.
    expect(answer!.at - (1_000 + i * EVERY_MS), `sample ${i}`).toBe(goesOn ? 33 : 3);
  }
  expect(new Set([...answers.values()].map(({ result }) => result.model)).size).toBe(2);
});
