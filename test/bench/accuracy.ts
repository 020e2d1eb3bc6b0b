/**
 * How honest promised accuracies are: over many shuffles, cascades are chosen on n samples for several amounts of work, and their
 * promised accuracy is compared with the true one on unseen samples. `npm run bench:accuracy -- --shuffles 200`.
 */
import { parseArgs } from 'node:util';
import { createRandom } from '../../engine/random.ts';
import { profileDeployment } from '../../plans/commands/profile.ts';
import { shuffled } from '../../plans/data/shuffled.ts';
import { evaluateCascade, type RecordedFamily, recordsAt, type ValidationRecords } from '../../plans/domain/cascade/cascade.ts';
import { loadDeployment } from '../../plans/domain/deployment/read-deployment.ts';
import type { Profile } from '../../plans/domain/profile/profile.ts';
import type { FrontierCascade } from '../../plans/planner/cycle/draft-plan.ts';
import { type AccuracyEstimate, estimateOf } from '../../plans/planner/sp1/accuracy-estimate.ts';
import { searchFrontier } from '../../plans/planner/sp1/enumerate-cascades.ts';
import { FOLD_WORD_BUDGET } from '../../plans/planner/sp1/frontiers.ts';
import { crossFit } from '../../plans/planner/sp1/honest-accuracy.ts';
import { DeviceCosts } from '../../plans/planner/sp3/device-costs.ts';
import { syntheticProfile } from '../../plans/synthetic/synthetic.ts';
import { writeResult } from './machine.ts';
import { processorSeconds } from './processor-time.ts';

const { values } = parseArgs({
  options: {
    shuffles: { type: 'string', default: '200' },
    samples: { type: 'string', default: '50,200,1000,5000' },
    /** Other numbers of folds to compare with the planner's. */
    folds: { type: 'string', default: '' },
  },
});
const SHUFFLES = Number(values.shuffles);
const FOLDS = values.folds.split(',').filter(Boolean).map(Number);
/** Number of amounts of work for which a cascade is chosen, from the cheapest to the largest model's. */
const BUDGETS = 8;
/** Most unseen samples on which true accuracy is measured. */
const MOST_OTHERS = 20_000;

/** Figures of one method, in points or shares; means over the shuffles and the amounts of work. */
interface Figures {
  /** Promised minus true accuracy, and the standard error of that mean with each shuffle as a draw. */
  readonly biasPoints: number;
  readonly biasErrorPoints: number;
  /** Share of intervals that contain the measured true accuracy; the second figure allows for the sampling error of that measurement. */
  readonly holds: number;
  readonly holdsGivenChance: number;
  readonly widthPoints: number;
  /** Processor time of an estimate. */
  readonly processorMs: number;
}

interface Row extends Figures {
  readonly family: string;
  readonly samples: number;
  readonly method: string;
}

/** A way to estimate the accuracy of cascades on a frontier that was found on the samples of a family. */
type Method = (family: RecordedFamily, frontier: readonly FrontierCascade[]) => (cascade: FrontierCascade) => AccuracyEstimate;

interface Case {
  readonly error: number;
  readonly holds: boolean;
  readonly holdsGivenChance: boolean;
  readonly width: number;
}

/** One shuffle: a case for each amount of work. */
interface Drawn {
  readonly cases: readonly Case[];
  readonly processorMs: number;
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

const results: Row[] = [];
for (const samples of values.samples.split(',').map(Number)) {
  for (const [family, profile] of families) {
    for (const [method, figures] of Object.entries(bench(profile, samples))) {
      results.push({ family, samples, method, ...figures });
      process.stdout.write(`${family} n=${samples} ${method}: ${describe(figures)}\n`);
    }
  }
}
process.stderr.write(`wrote ${writeResult('accuracy', { shuffles: SHUFFLES, results })}\n`);

function describe(figures: Figures): string {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  return (
    `promised - true ${figures.biasPoints.toFixed(2)} points (standard error ${figures.biasErrorPoints.toFixed(2)}), ` +
    `interval holds ${percent(figures.holds)} (given chance ${percent(figures.holdsGivenChance)}), ` +
    `${figures.widthPoints.toFixed(1)} points wide; ${figures.processorMs.toFixed(0)} ms`
  );
}

function bench(population: Profile, samples: number): Record<string, Figures> {
  const costs = new DeviceCosts(population, [{ id: 'd', deviceClass: 'cpu-1', memoryBytes: 1e9 }], [], 90);
  const models = population.models.map((_, m) => m);
  const search = (records: ValidationRecords, wordBudget?: number): FrontierCascade[] =>
    searchFrontier(records, costs, models, { pathLimitsMs: [100], ...(wordBudget && { wordBudget }) }).frontier;
  const byFolds =
    (folds?: number): Method =>
    (family, frontier) => {
      const honest = crossFit(family, frontier, (records) => search(records, FOLD_WORD_BUDGET), folds);
      return (cascade) => honest.estimate(cascade);
    };
  const methods: Record<string, Method> = {
    'as measured':
      () =>
      ({ accuracy }) =>
        estimateOf(accuracy, accuracy, { samples, spread: 1 }),
    'cross-fitted': byFolds(),
    ...Object.fromEntries(FOLDS.map((folds) => [`cross-fitted in ${folds} parts`, byFolds(folds)])),
  };
  const drawn: Record<string, Drawn[]> = Object.fromEntries(Object.keys(methods).map((method) => [method, []]));
  for (let i = 0; i < SHUFFLES; i++) {
    const order = shuffled(population.labels.length, createRandom(`shuffle ${i}`));
    const chosen = order.subarray(0, samples);
    const others = recordsAt(population, order.subarray(samples, samples + MOST_OTHERS));
    const frontier = search(recordsAt(population, chosen));
    const [least, most] = [frontier[0].workMs, costs.workMs(models.slice(-1), [1], 1)];
    const cascades = Array.from({ length: BUDGETS }, (_, b) => {
      const workMs = 1.001 * least * (most / least) ** (b / (BUDGETS - 1));
      return frontier.findLast((each) => each.workMs <= workMs)!;
    });
    const truths = cascades.map((cascade) => evaluateCascade(others, cascade.models, cascade.thresholds).accuracy);
    for (const [name, method] of Object.entries(methods)) {
      const seconds = processorSeconds();
      const estimate = method(familyOf(population, chosen), frontier);
      const processorMs = 1000 * seconds();
      drawn[name].push({ processorMs, cases: cascades.map((c, b) => judge(estimate(c), truths[b], others.samples)) });
    }
  }
  return Object.fromEntries(Object.entries(drawn).map(([method, draws]) => [method, figuresOf(draws)]));
}

function familyOf({ models }: Profile, samples: Int32Array): RecordedFamily {
  return {
    models: models.map((model) => ({
      quality: Float32Array.from(samples, (i) => model.quality[i]),
      certainties: Float32Array.from(samples, (i) => model.certainties[i]),
    })),
  };
}

function judge({ accuracy, interval: [low, high] }: AccuracyEstimate, truth: number, others: number): Case {
  // The errors of two uncertain figures add as the root of the sum of their squares.
  const chance = (half: number): number => Math.hypot(half, 1.96 * Math.sqrt((truth * (1 - truth)) / others));
  return {
    error: accuracy - truth,
    holds: low <= truth && truth <= high,
    holdsGivenChance: truth >= accuracy - chance(accuracy - low) && truth <= accuracy + chance(high - accuracy),
    width: high - low,
  };
}

function figuresOf(draws: readonly Drawn[]): Figures {
  const cases = draws.flatMap((draw) => draw.cases);
  const errors = draws.map((draw) => mean(draw.cases.map(({ error }) => error)));
  const bias = mean(errors);
  const variance = errors.reduce((sum, error) => sum + (error - bias) ** 2, 0) / Math.max(1, errors.length - 1);
  return {
    biasPoints: 100 * bias,
    biasErrorPoints: 100 * Math.sqrt(variance / errors.length),
    holds: mean(cases.map(({ holds }) => Number(holds))),
    holdsGivenChance: mean(cases.map(({ holdsGivenChance }) => Number(holdsGivenChance))),
    widthPoints: 100 * mean(cases.map(({ width }) => width)),
    processorMs: mean(draws.map(({ processorMs }) => processorMs)),
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
