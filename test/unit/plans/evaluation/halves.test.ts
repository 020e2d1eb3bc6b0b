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
const sizes = {
  batchKey: Int32Array.from({ length: 101 }, (_, i) => i),
  size: Int32Array.from({ length: 101 }, (_, i) => 2 * i),
};
const whole = { ...profile, sizes, models: profile.models.map((model) => ({ ...model, scores })) };

test('each sample is in one half, with everything known about it', () => {
  const { chosenOn, judgedOn } = halves(whole);
  const seen = [chosenOn, judgedOn].flatMap(({ labels, sizes: own, models }) =>
    Array.from(labels, (label, i) => {
      const sample = own?.batchKey[i] ?? -1;
      expect(label).toBe(whole.labels[sample]);
      expect(own?.size[i]).toBe(2 * sample);
      models.forEach((model, m) => {
        expect(model.predictions[i]).toBe(whole.models[m].predictions[sample]);
        expect(model.certainties[i]).toBe(whole.models[m].certainties[sample]);
        expect(model.quality[i]).toBe(whole.models[m].quality[sample]);
        expect([...(model.scores ?? [])].slice(2 * i, 2 * i + 2)).toEqual([2 * sample, 2 * sample + 1]);
      });
      return sample;
    }),
  );
  expect([chosenOn.labels.length, judgedOn.labels.length]).toEqual([51, 50]);
  expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 101 }, (_, i) => i));
});

test('the halves are always the same', () => {
  expect([...halves(whole).chosenOn.labels]).toEqual([...halves(whole).chosenOn.labels]);
});

test('samples that cycle through the classes put every class in both halves', () => {
  const inTurn = { ...profile, labels: Int32Array.from({ length: 101 }, (_, i) => i % 10) };
  for (const { labels } of Object.values(halves(inTurn))) expect(new Set(labels).size).toBe(10);
});

test('votes are weighted on one half and counted on the other', () => {
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
  // On the half that sets the weights, the first was always right and the second never.
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
