import { expect, test } from 'vitest';
import { votedQuality } from '../../../../plans/evaluation/ensembles/weighted-majority.ts';
import { halves } from '../../../../plans/evaluation/halves.ts';
import { syntheticProfile } from '../../../../plans/synthetic/synthetic.ts';

const profile = syntheticProfile({
  seed: 1,
  samples: 101,
  models: [
    { name: 'small', accuracy: 0.8, fixedMs: 1, perSampleMs: 1, memoryBytes: 1 },
    { name: 'large', accuracy: 0.9, fixedMs: 2, perSampleMs: 2, memoryBytes: 1 },
  ],
});
const scores = Float32Array.from({ length: 2 * 101 }, (_, i) => i);
const sizes = { company: Int32Array.from({ length: 101 }, (_, i) => i), size: Int32Array.from({ length: 101 }, (_, i) => 2 * i) };
const { chosenOn, judgedOn } = halves({ ...profile, sizes, models: profile.models.map((model) => ({ ...model, scores })) });

test('each sample is in one half, with all that is known of it', () => {
  expect([chosenOn.labels.length, judgedOn.labels.length]).toEqual([51, 50]);
  for (const [half, first] of [
    [chosenOn, 0],
    [judgedOn, 1],
  ] as const) {
    half.labels.forEach((label, i) => {
      const sample = 2 * i + first;
      expect(label).toBe(profile.labels[sample]);
      expect(half.sizes?.company[i]).toBe(sample);
      expect(half.sizes?.size[i]).toBe(2 * sample);
      half.models.forEach((model, m) => {
        const whole = profile.models[m];
        expect(model.predictions[i]).toBe(whole.predictions[sample]);
        expect(model.certainties[i]).toBe(whole.certainties[sample]);
        expect(model.quality[i]).toBe(whole.quality[sample]);
        expect([...(model.scores ?? [])].slice(2 * i, 2 * i + 2)).toEqual([2 * sample, 2 * sample + 1]);
      });
    });
  }
});

test('votes are weighed on one half and counted on the other', () => {
  const family = (predictions: number[][], labels: number[]) => ({
    labels: Int32Array.from(labels),
    classes: 2,
    models: predictions.map((given, m) => ({
      name: `m${m}`,
      predictions: Int32Array.from(given),
      quality: Float32Array.from(given, (p, i) => Number(p === labels[i])),
    })),
  });
  const judged = family([[0], [1]], [0]);
  // The first was always right where the votes were weighed, the second never.
  const weighed = family(
    [
      [0, 1, 0, 1],
      [1, 0, 1, 0],
    ],
    [0, 1, 0, 1],
  );
  expect([...votedQuality(judged, [0, 1], weighed)]).toEqual([1]);
  const other = family(
    [
      [1, 0, 1, 0],
      [0, 1, 0, 1],
    ],
    [0, 1, 0, 1],
  );
  expect([...votedQuality(judged, [0, 1], other)]).toEqual([0]);
});
