import { expect, test } from 'vitest';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { STATE } from '../../plans/protocol/channels.ts';
import { encode } from '../../plans/protocol/codec.ts';
import { subjectsOf } from '../../plans/protocol/subjects.ts';
import { SYNTHETIC_INPUTS, syntheticProfile } from '../../plans/synthetic/synthetic.ts';
import { VirtualClock } from '../doubles/virtual-clock.ts';
import { emulatedDevice } from '../support/emulated-device.ts';
import { judgedBy } from '../support/judges.ts';
import { planOf } from '../support/plans.ts';
import { startVirtualPlane } from '../support/virtual-plane.ts';

const profile = syntheticProfile({
  seed: 5,
  samples: 40,
  deviceClasses: { gpu: 1 },
  models: [{ name: 'small', accuracy: 0.7, fixedMs: 5, perSampleMs: 5, memoryBytes: 1 }],
});
const subjects = subjectsOf('test');

/** What a device that takes 1.25 times as long as profiled reports after a busy second. */
async function toldSlowdown(plan: GearPlan): Promise<number> {
  const clock = new VirtualClock();
  const plane = await startVirtualPlane(plan, {
    clock,
    specs: SYNTHETIC_INPUTS,
    device: { judge: judgedBy({ output: 'recorded' }, 'logits') },
    weights: { profiled: profile.models.map(({ runtimes }) => runtimes.gpu) },
    createBackend: () => emulatedDevice(profile, 'gpu', clock, { recordOf: () => 0, slowdown: () => 1.25 }),
  });
  let told = Number.NaN;
  plane.bus.messages$(subjects.allState).subscribe(({ data }) => {
    told = STATE.codec.decode(data).slowdown;
  });
  for (let i = 0; i < 50; i++) {
    plane.bus.publish(subjects.infer, encode({ id: `s${i}`, inputs: { sample: [i] } }), { reply: 'answers' });
    await plane.runUntil(1_000 + 20 * (i + 1));
  }
  return told;
}

test('a device that is as slow as its corrected plan expects reports that it runs as planned', async () => {
  const plan = planOf({ models: ['small'], maxWaitMs: 0 });
  expect(await toldSlowdown(plan)).toBeGreaterThan(1.2);
  expect(await toldSlowdown({ ...plan, correction: { date: '', inference: { d0: 1.25 } } })).toBeCloseTo(1, 1);
});
