import { expect, test } from 'vitest';
import { describeAccuracy, describeSavings } from '../../../../actors/demo/explain.ts';
import type { LiveLoadResult } from '../../../../actors/load/live-load.ts';
import { syntheticProfile } from '../../../../plans/synthetic/synthetic.ts';

test('the interval of a measured accuracy counts each sample once', () => {
  const expected = { accuracy: 0.945, interval: [0.9385, 0.951] as const };
  expect(describeAccuracy(expected, 0.937, 5_000)).toContain(
    'measured: 93.70 % (93.0 - 94.3 % for 5000 different samples), outside it, though the two intervals overlap',
  );
});

test('what a run says about accuracy depends on its samples, not on how often each was sent', () => {
  const live = {
    report: { accuracy: 0.937, completed: 75_000 },
    samplesAnswered: 5_000,
    answersByModel: {},
    answersByGear: new Map([[0, 75_000]]),
  } as unknown as LiveLoadResult;
  const profile = syntheticProfile({
    seed: 1,
    samples: 100,
    deviceClasses: { cpu: 1 },
    models: [{ name: 'large', accuracy: 0.95, fixedMs: 1, perSampleMs: 1, memoryBytes: 1e6 }],
  });
  const says = describeSavings({ profile, live, largestModelAloneQps: 100, peakQps: 200, noun: 'picture', devices: 1 });
  expect(says).toContain('plus or minus 0.67 for 5000 different samples');
});
