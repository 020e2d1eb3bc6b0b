/**
 * How honest promised accuracies are: over many shuffles, cascades are chosen on n samples for several amounts of work, and what is
 * promised of them is compared with what they are worth on samples that nobody chose by. `npm run bench:accuracy -- --shuffles 200`.
 */
import { parseArgs } from 'node:util';
import { createRandom } from '../../engine/random.ts';
import { profileDeployment } from '../../plans/commands/profile.ts';
import { shuffled } from '../../plans/data/shuffled.ts';
import { evaluateCascade, recordsAt, type ValidationRecords } from '../../plans/domain/cascade/cascade.ts';
import { loadDeployment } from '../../plans/domain/deployment/deployment.ts';
import type { Profile } from '../../plans/domain/profile/profile.ts';
import type { FrontierCascade } from '../../plans/planner/cycle/draft-plan.ts';
import { type AccuracyEstimate, estimateOf } from '../../plans/planner/sp1/accuracy-estimate.ts';
import { searchFrontier } from '../../plans/planner/sp1/enumerate-cascades.ts';
import { FOLD_WORD_BUDGET } from '../../plans/planner/sp1/frontiers.ts';
import { crossFit } from '../../plans/planner/sp1/honest-accuracy.ts';
import { DeviceCosts } from '../../plans/planner/sp3/device-costs.ts';
import { syntheticProfile } from '../../plans/synthetic/synthetic.ts';
import { writeResult } from './machine.ts';

const { values } = parseArgs({
  options: {
    shuffles: { type: 'string', default: '200' },
    samples: { type: 'string', default: '50,200,1000,5000' },
  },
});
const SHUFFLES = Number(values.shuffles);
/** Amounts of work for which a cascade is chosen, from the cheapest model's to the largest one's. */
const BUDGETS = 8;
/** Truth is measured on so many of the other samples at most. */
const MOST_OTHERS = 100_000;

interface Figures {
  readonly family: string;
  readonly samples: number;
  readonly method: string;
  /** Points: mean of promised minus true. */
  biasPoints: number;
  /** Shares of the intervals that hold the true accuracy; and, as that is itself measured on some samples, that differ from it by no more than chance. */
  holds: number;
  holdsGivenChance: number;
  widthPoints: number;
}

async function fashion(): Promise<Profile> {
  const deployment = loadDeployment('conf/fashion');
  const data = { ...deployment.data!, validation: 1 };
  return profileDeployment({ ...deployment, data }, { quick: true });
}

const families: readonly (readonly [name: string, profile: Profile])[] = [
  ['fashion', await fashion()],
  [
    'synthetic',
    syntheticProfile({
      seed: 'population',
      samples: 200_000,
      models: [
        { name: 'a', accuracy: 0.8, fixedMs: 0.05, perSampleMs: 0.01, memoryBytes: 1 },
        { name: 'b', accuracy: 0.86, fixedMs: 0.1, perSampleMs: 0.05, memoryBytes: 1 },
        { name: 'c', accuracy: 0.9, fixedMs: 0.2, perSampleMs: 0.2, memoryBytes: 1 },
        { name: 'd', accuracy: 0.93, fixedMs: 0.5, perSampleMs: 1, memoryBytes: 1 },
      ],
    }),
  ],
];

const results: (Figures & { searchMs: number; crossFitMs: number })[] = [];
for (const samples of values.samples.split(',').map(Number)) {
  for (const [family, profile] of families) {
    const rows = bench(family, profile, samples);
    results.push(...rows);
    for (const { method, biasPoints, holds, holdsGivenChance, widthPoints, searchMs, crossFitMs } of rows) {
      process.stdout.write(
        `${family} n=${samples} ${method}: promised - true ${biasPoints.toFixed(2)} points, interval holds ${(100 * holds).toFixed(1)} % ` +
          `(given chance ${(100 * holdsGivenChance).toFixed(1)} %), ${widthPoints.toFixed(1)} points wide; search ${searchMs.toFixed(0)} ms, cross-fit ${crossFitMs.toFixed(0)} ms\n`,
      );
    }
  }
}
process.stderr.write(`wrote ${writeResult('accuracy', { shuffles: SHUFFLES, results })}\n`);

function bench(family: string, population: Profile, samples: number) {
  const costs = new DeviceCosts(population, [{ id: 'd', deviceClass: 'cpu-1', memoryBytes: 1e9 }], [], 90);
  const models = population.models.map((_, m) => m);
  const search = (records: ValidationRecords, wordBudget?: number): FrontierCascade[] =>
    searchFrontier(records, costs, models, { pathLimitsMs: [100], ...(wordBudget && { wordBudget }) }).frontier;
  const methods = ['as measured', 'cross-fitted'].map(
    (method): Figures => ({ family, samples, method, biasPoints: 0, holds: 0, holdsGivenChance: 0, widthPoints: 0 }),
  );
  let [searchMs, crossFitMs] = [0, 0];
  const count = SHUFFLES * BUDGETS;
  for (let i = 0; i < SHUFFLES; i++) {
    const order = shuffled(population.labels.length, createRandom(`shuffle ${i}`));
    const chosen = order.subarray(0, samples);
    const others = recordsAt(population, order.subarray(samples, samples + MOST_OTHERS));
    const family = familyOf(population, chosen);
    const startedAt = performance.now();
    const frontier = search(recordsAt(population, chosen));
    const searchedAt = performance.now();
    const honest = crossFit(family, frontier, (records) => search(records, FOLD_WORD_BUDGET));
    crossFitMs += (performance.now() - searchedAt) / SHUFFLES;
    searchMs += (searchedAt - startedAt) / SHUFFLES;
    const [least, most] = [frontier[0].workMs, costs.workMs(models.slice(-1), [1], 1)];
    for (let b = 0; b < BUDGETS; b++) {
      const workMs = 1.001 * least * (most / least) ** (b / (BUDGETS - 1));
      const cascade = frontier.findLast((each) => each.workMs <= workMs)!;
      const truth = evaluateCascade(others, cascade.models, cascade.thresholds).accuracy;
      const measured = estimateOf(cascade.accuracy, cascade.accuracy, { samples, spread: 1 });
      note(methods[0], measured, truth, others.samples, count);
      note(methods[1], honest.estimate(cascade), truth, others.samples, count);
    }
  }
  return methods.map((figures) => ({ ...figures, searchMs, crossFitMs }));
}

function familyOf({ models }: Profile, samples: Int32Array): Pick<Profile, 'models'> {
  return {
    models: models.map((model) => ({
      ...model,
      quality: Float32Array.from(samples, (i) => model.quality[i]),
      certainties: Float32Array.from(samples, (i) => model.certainties[i]),
    })),
  };
}

function note(
  figures: Figures,
  { accuracy, interval: [low, high] }: AccuracyEstimate,
  truth: number,
  others: number,
  count: number,
) {
  // Two uncertain figures differ by the root of the sum of their squares.
  const chance = (half: number): number => Math.hypot(half, 1.96 * Math.sqrt((truth * (1 - truth)) / others));
  figures.biasPoints += (100 * (accuracy - truth)) / count;
  figures.holds += Number(low <= truth && truth <= high) / count;
  figures.holdsGivenChance +=
    Number(truth >= accuracy - chance(accuracy - low) && truth <= accuracy + chance(high - accuracy)) / count;
  figures.widthPoints += (100 * (high - low)) / count;
}
