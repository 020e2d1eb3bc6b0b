import { describe, expect, test } from 'vitest';
import { AuditCounter } from '../../../../actors/device/audit-counter.ts';
import { createRandom, type Random } from '../../../../engine/random.ts';
import type { ModelProfile } from '../../../../plans/domain/profile/profile.ts';
import { AuditEstimate } from '../../../../plans/drift/audit-estimate.ts';
import { AuditExpectation } from '../../../../plans/drift/audit-expectation.ts';
import { certaintyBin, certaintyEdges } from '../../../../plans/drift/certainty-bins.ts';
import type { AuditMeasure } from '../../../../plans/protocol/drift-report.ts';
import { syntheticProfile } from '../../../../plans/synthetic/synthetic.ts';
import { planOf } from '../../../support/plans.ts';

const profile = syntheticProfile({
  seed: 1,
  samples: 4_000,
  models: [
    { name: 'small', accuracy: 0.8, fixedMs: 1, perSampleMs: 1, memoryBytes: 1 },
    { name: 'middle', accuracy: 0.85, fixedMs: 1, perSampleMs: 1, memoryBytes: 1 },
    { name: 'large', accuracy: 0.95, fixedMs: 1, perSampleMs: 1, memoryBytes: 1 },
  ],
});
const plan = planOf({
  models: ['small', 'middle', 'large'],
  cascades: [['small', 'large'], ['small', 'middle'], ['large']],
  threshold: 0.6,
});
const bounds = { bound: 0.02, minSamples: 500 };
const [small, middle, large] = profile.models;
const edges = certaintyEdges(large.certainties);

/** The half of the validation samples that the most accurate model is least certain of. */
const hard = Array.from(profile.labels.keys()).filter((i) => large.certainties[i] < edges[9]);

/** The counts of a second in which these samples were answered in gear `gear`, with a share of them drawn and compared. */
function second(
  random: Random,
  gear: number,
  cascade: readonly ModelProfile[],
  qps: number,
  {
    share = 0.2,
    spare = 1,
    wrong = 0,
    onlyHard = false,
  }: { share?: number; spare?: number; wrong?: number; onlyHard?: boolean } = {},
) {
  const counter = new AuditCounter(profile.models.map(({ name }) => name));
  let differ = 0;
  for (let i = 0; i < qps; i++) {
    const sample = onlyHard ? hard[random.below(hard.length)] : random.below(profile.labels.length);
    const by = cascade.find((model, s) => s === cascade.length - 1 || model.certainties[sample] >= 0.6)!;
    const bin = certaintyBin(edges, large.certainties[sample]);
    if (by === large) {
      const before = cascade[cascade.indexOf(by) - 1] ?? by;
      counter.answeredByReference(
        1,
        gear,
        profile.models.indexOf(by),
        before.predictions[sample] === by.predictions[sample],
        bin,
      );
      continue;
    }
    // Randomly flips an answer: nothing else shows it.
    const turned = random.next() < wrong;
    const label = (by.predictions[sample] + (turned ? 1 : 0)) % profile.classes;
    const isOther = label !== large.predictions[sample];
    if (isOther) differ++;
    const drawn = random.next() < share;
    counter.answered(1, gear, profile.models.indexOf(by), drawn);
    if (!drawn || random.next() >= spare) continue;
    counter.compared(1, gear, profile.models.indexOf(by), !isOther, bin);
  }
  return { counts: counter.take(), differ };
}

function run(seconds: number, of: (s: number, random: Random) => ReturnType<typeof second>): AuditMeasure & { truth: number } {
  const random = createRandom(7);
  const estimate = new AuditEstimate(plan, profile, bounds, 0);
  let measure: AuditMeasure | undefined;
  let differ = 0;
  let answered = 0;
  for (let s = 0; s < seconds; s++) {
    const { counts, differ: of1 } = of(s, random);
    for (const each of counts) {
      estimate.observe(each);
      answered += each.answered;
    }
    differ += of1;
    measure = estimate.tick((s + 1) * 1_000);
  }
  return { ...measure!, truth: differ / answered };
}

describe('with inputs like the validation samples', () => {
  test('the estimate is what the validation records say, and no loss is reported', () => {
    const { disagreement, expected, lost, reference, accuracy, expectedAccuracy } = run(50, (_, random) =>
      second(random, 1, [small, middle], 500),
    );
    expect(reference).toBe('large');
    expect(disagreement!.low).toBeLessThan(expected);
    expect(disagreement!.high).toBeGreaterThan(expected);
    expect(disagreement!.high - disagreement!.low).toBeLessThan(0.03);
    expect(lost).toBe(false);
    const samples = profile.labels.map((_, i) => i);
    const right = samples.reduce((sum, i) => sum + (small.certainties[i] >= 0.6 ? small : middle).quality[i], 0);
    expect(Math.abs(accuracy!.estimate - right / profile.labels.length)).toBeLessThan(0.02);
    expect(Math.abs(expectedAccuracy.estimate - right / profile.labels.length)).toBeLessThan(0.005);
  });

  test('answers of the most accurate model itself count as agreed, and need no audit', () => {
    const { disagreement, expected, compared } = run(50, (_, random) => second(random, 2, [large], 100));
    expect({ compared, expected, estimate: disagreement?.estimate }).toEqual({ compared: 0, expected: 0, estimate: 0 });
  });
});

describe('with inputs that are harder than planned', () => {
  test('a fall in accuracy shows even if the most accurate model answers everything itself', () => {
    const { disagreement, accuracy, expectedAccuracy, lost } = run(50, (_, random) =>
      second(random, 2, [large], 100, { onlyHard: true }),
    );
    const truth = hard.reduce((sum, i) => sum + large.quality[i], 0) / hard.length;
    expect(disagreement!.estimate).toBe(0);
    expect(Math.abs(accuracy!.estimate - truth)).toBeLessThan(0.01);
    expect(expectedAccuracy.estimate - truth).toBeGreaterThan(0.02);
    expect(lost).toBe(true);
  });

  test('a loss is reported sooner if other models give few answers', () => {
    const told = run(4, (_, random) => {
      const few = second(random, 0, [small, large], 25, { share: 1, wrong: 1 });
      const most = second(random, 2, [large], 475);
      return { counts: [...few.counts, ...most.counts], differ: few.differ + most.differ };
    });
    expect(told.compared).toBeLessThan(100);
    expect(told.disagreement!.low).toBeLessThan(told.truth);
    expect(told.disagreement!.high).toBeGreaterThan(told.truth);
    expect(told.lost).toBe(true);
  });
});

describe('with answers that are worse than planned', () => {
  test('the interval holds the true share, and the loss is reported', () => {
    const { disagreement, lost, truth } = run(50, (_, random) => second(random, 0, [small, large], 500, { wrong: 0.3 }));
    expect(disagreement!.low).toBeLessThan(truth);
    expect(disagreement!.high).toBeGreaterThan(truth);
    expect(Math.abs(disagreement!.estimate - truth)).toBeLessThan(0.02);
    expect(lost).toBe(true);
  });

  test('a shift is found within 60 s at 500 requests/s, even after a long good time', () => {
    const { disagreement, lost } = run(260, (s, random) =>
      second(random, 0, [small, large], 500, { share: 0.1, wrong: s < 200 ? 0 : 0.3 }),
    );
    const shifted = run(60, (_, random) => second(random, 0, [small, large], 500, { share: 0.1, wrong: 0.3 })).truth;
    expect(Math.abs(disagreement!.estimate - shifted)).toBeLessThan(0.02);
    expect(lost).toBe(true);
  });

  test('gears with less spare time count no less', () => {
    // Half of the answers are given in each gear, but nearly all audits are made in the one where nothing is wrong.
    const { disagreement, truth } = run(50, (_, random) => {
      const calm = second(random, 0, [small, large], 250, { share: 0.5 });
      const busy = second(random, 1, [small, middle], 250, { share: 0.5, spare: 0.2, wrong: 0.5 });
      return { counts: [...calm.counts, ...busy.counts], differ: calm.differ + busy.differ };
    });
    expect(truth).toBeGreaterThan(0.2);
    expect(Math.abs(disagreement!.estimate - truth)).toBeLessThan(0.03);
    expect(disagreement!.low).toBeLessThan(truth);
    expect(disagreement!.high).toBeGreaterThan(truth);
  });
});

test('answers drawn but not compared are reported, and nothing is concluded before enough are compared', () => {
  const { disagreement, drawn, compared, lost } = run(10, (_, random) =>
    second(random, 0, [small, large], 500, { share: 0.1, spare: 0.5, wrong: 0.5 }),
  );
  expect(compared).toBeLessThan(0.7 * drawn);
  expect(disagreement).toBeNull();
  expect(lost).toBe(false);
});

test('a reported loss is over when half of the rise is gone', () => {
  const random = createRandom(3);
  const estimate = new AuditEstimate(plan, profile, bounds, 0);
  const told: boolean[] = [];
  for (let s = 0; s < 240; s++) {
    for (const each of second(random, 0, [small, large], 300, { wrong: s >= 60 && s < 120 ? 0.4 : 0 }).counts)
      estimate.observe(each);
    told.push(estimate.tick((s + 1) * 1_000)!.lost);
  }
  expect(told.filter((lost, s) => lost !== (told[s - 1] ?? false))).toHaveLength(2);
  expect(told.at(-1)).toBe(false);
});

describe('a crowd that leaves no spare time for audits', () => {
  test.each([
    ['nothing is compared', 0],
    ['a few answers are compared', 0.0002],
  ])('does not look like a loss: %s', (_, spare) => {
    const random = createRandom(5);
    const estimate = new AuditEstimate(plan, profile, bounds, 0);
    for (let s = 0; s < 180; s++) {
      const counts =
        s < 120
          ? second(random, 0, [small, large], 500, { share: 0.1 }).counts
          : second(random, 1, [small, middle], 2_000, { share: 0.1, spare }).counts;
      for (const each of counts) estimate.observe(each);
      const { disagreement, expected, accuracy, expectedAccuracy, lost } = estimate.tick((s + 1) * 1_000)!;
      if (s < 120) continue;
      expect(Math.abs(disagreement!.estimate - expected)).toBeLessThan(0.02);
      expect(Math.abs(accuracy!.estimate - expectedAccuracy.estimate)).toBeLessThan(0.02);
      expect(lost).toBe(false);
      if (s > 130) expect(accuracy!.high - accuracy!.low).toBeGreaterThan(0.3);
    }
  });

  test('does not end a loss, because nothing shows that it is over', () => {
    const random = createRandom(5);
    const estimate = new AuditEstimate(plan, profile, bounds, 0);
    const told: boolean[] = [];
    for (let s = 0; s < 240; s++) {
      const counts =
        s < 60
          ? second(random, 0, [small, large], 500, { wrong: 0.4 }).counts
          : s < 120
            ? second(random, 1, [small, middle], 2_000, { spare: 0 }).counts
            : second(random, 0, [small, large], 500).counts;
      for (const each of counts) estimate.observe(each);
      told.push(estimate.tick((s + 1) * 1_000)!.lost);
    }
    expect(told.slice(50, 120)).toEqual(new Array(70).fill(true));
    expect(told.at(-1)).toBe(false);
  });
});

test('counts with an unknown gear, model or number of bins are ignored', () => {
  const estimate = new AuditEstimate(plan, profile, bounds, 0);
  const good = {
    revision: 1,
    gear: 0,
    model: 'small',
    answered: 5,
    drawn: 1,
    agreed: new Array(20).fill(0),
    differed: new Array(20).fill(0),
  };
  for (const odd of [{ gear: 9 }, { model: 'other' }, { agreed: [1] }, { differed: [] }]) estimate.observe({ ...good, ...odd });
  expect(estimate.tick(1_000)?.answered).toBe(0);
  estimate.observe(good);
  expect(estimate.tick(2_000)?.answered).toBe(5);
});

test('the expected disagreement is counted among the samples that end at a stage', () => {
  const expectation = new AuditExpectation(plan, profile);
  const certain = profile.labels.map((_, i) => i).filter((i) => small.certainties[i] >= 0.6);
  const differ = certain.filter((i) => small.predictions[i] !== large.predictions[i]).length;
  expect(expectation.of(0, 'small')?.disagreement).toBeCloseTo(differ / certain.length, 12);
  expect(expectation.of(0, 'large')?.disagreement).toBe(0);
  expect(expectation.of(0, 'middle')).toBeUndefined();
});
