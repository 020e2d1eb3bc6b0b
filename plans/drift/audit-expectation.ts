import { allGears, type GearPlan } from '../domain/gear-plan/gear-plan.ts';
import { accuracyOf, type ModelProfile, type Profile } from '../domain/profile/profile.ts';
import type { Task } from '../domain/task/task.ts';
import { referenceOf } from '../policy/audit.ts';
import { compilePlan } from '../policy/compiled-plan.ts';
import type { Interval } from '../protocol/drift-report.ts';
import { CERTAINTY_BINS, certaintyBin, certaintyEdges } from './certainty-bins.ts';
import { meanOf, weightedMean } from './interval.ts';

/**
 * Expected audit results, from the validation records, for the answers of one model in one gear. The second opinion is that of the most
 * accurate model or, for its own answers, that of the model before it in the cascade.
 */
export interface ExpectedAudit extends ByOpinion {
  /** Share of those answers with which the most accurate model disagrees. */
  readonly disagreement: number;
  /** Mean quality of the answers, when the two agree and when they differ. */
  readonly agreed: Float64Array;
  readonly differed: Float64Array;
  /** Mean quality of its answers, and their number. */
  readonly accuracy: Interval;
  readonly answers: number;
}

/** A number per bin of the most accurate model's certainty, for equal second opinions and for different ones. */
export interface ByOpinion {
  readonly agreed: Float64Array;
  readonly differed: Float64Array;
}

/** Weight of the prior knowledge, in answers, so that few samples say little. */
export const PRIOR_SAMPLES = 10;

/** For every gear of a plan and every model that answers in it. */
export class AuditExpectation {
  /** The most accurate model that the plan places; undefined when the profile does not contain it. */
  readonly reference: string | undefined;
  /** [gear][model name] */
  readonly #expected: readonly ReadonlyMap<string, ExpectedAudit>[];
  /** Per gear. */
  readonly #accuracy: readonly Interval[];

  /** @param task of the models; required when answers are not classes. */
  constructor(plan: GearPlan, profile: Pick<Profile, 'models'>, task?: Task) {
    const byName = new Map(profile.models.map((model) => [model.name, model]));
    const accuracy = plan.models.map((name) => {
      const model = byName.get(name);
      return model === undefined ? Number.NEGATIVE_INFINITY : accuracyOf(model);
    });
    const reference = byName.get(plan.models[referenceOf(compilePlan(plan), accuracy)]);
    this.reference = reference?.name;
    this.#expected =
      reference === undefined
        ? []
        : allGears(plan).map(({ cascade }) => {
            const models = cascade.map(({ model }) => byName.get(model));
            const answers = answeredBy(models, cascade);
            return new Map(
              models.flatMap((model, stage) => {
                if (model === undefined) return [];
                const second = model === reference ? (models[stage - 1] ?? reference) : reference;
                return [[model.name, expectedOf(model, second, reference, answers[stage], task)] as const];
              }),
            );
          });
    this.#accuracy = this.#expected.map((byModel) => {
      const each = [...byModel.values()];
      const answers = each.reduce((sum, own) => sum + own.answers, 0);
      return weightedMean(
        each.map((own) => ({ weight: answers === 0 ? 1 / each.length : own.answers / answers, share: own.accuracy })),
      );
    });
  }

  of(gear: number, model: string): ExpectedAudit | undefined {
    return this.#expected[gear]?.get(model);
  }

  /** Accuracy of a gear of the plan if inputs are like the validation samples. */
  accuracyIn(gear: number): Interval {
    return this.#accuracy[gear];
  }
}

/** Per stage: the validation samples that it answers. */
function answeredBy(models: readonly (ModelProfile | undefined)[], cascade: readonly { threshold?: number }[]): number[][] {
  const answered: number[][] = cascade.map(() => []);
  const samples = models[0]?.certainties.length ?? 0;
  for (let sample = 0; sample < samples; sample++) {
    const stage = cascade.findIndex(
      ({ threshold = Number.NEGATIVE_INFINITY }, s) => (models[s]?.certainties[sample] ?? Number.NaN) >= threshold,
    );
    if (stage !== -1) answered[stage].push(sample);
  }
  return answered;
}

function isSame(a: ModelProfile, b: ModelProfile, sample: number, task: Task | undefined): boolean {
  if (task === undefined || a.scores === undefined || b.scores === undefined)
    return a.predictions[sample] === b.predictions[sample];
  const [one, other] = [a.scores, b.scores].map((scores) => {
    const columns = scores.length / a.certainties.length;
    return task.predict(scores, sample * columns, columns);
  });
  return task.agreement(one, other) === 1;
}

function expectedOf(
  model: ModelProfile,
  second: ModelProfile,
  reference: ModelProfile,
  samples: readonly number[],
  task: Task | undefined,
): ExpectedAudit {
  const edges = certaintyEdges(reference.certainties);
  const agreed = new Tally();
  const differed = new Tally();
  for (const sample of samples) {
    const tally = isSame(model, second, sample, task) ? agreed : differed;
    tally.add(certaintyBin(edges, reference.certainties[sample]), model.quality[sample]);
  }
  const answers = agreed.count + differed.count;
  const overall = answers === 0 ? accuracyOf(model) : (agreed.sum + differed.sum) / answers;
  const means = { agreed: agreed.means(overall), differed: differed.means(overall) };
  return {
    ...means,
    disagreement: answers === 0 || model === reference ? 0 : differed.count / answers,
    accuracy:
      answers === 0
        ? { estimate: overall, low: 0, high: 1 }
        : meanQuality(means, { agreed: agreed.counts, differed: differed.counts }),
    answers,
  };
}

/** Mean quality of answers with counted second opinions, if they are as good as expected of such answers. */
export function meanQuality(expected: ByOpinion, counts: ByOpinion): Interval {
  let answers = 0;
  let sum = 0;
  let squares = 0;
  for (const opinion of ['agreed', 'differed'] as const) {
    for (let bin = 0; bin < CERTAINTY_BINS; bin++) {
      const [count, quality] = [counts[opinion][bin], expected[opinion][bin]];
      answers += count;
      sum += count * quality;
      squares += count * quality ** 2;
    }
  }
  return meanOf(sum, squares, answers);
}

/** Qualities of answers, per bin and in total. */
class Tally {
  count = 0;
  sum = 0;
  readonly counts = new Float64Array(CERTAINTY_BINS);
  readonly #sums = new Float64Array(CERTAINTY_BINS);

  add(bin: number, quality: number): void {
    this.count++;
    this.sum += quality;
    this.counts[bin]++;
    this.#sums[bin] += quality;
  }

  /** Per bin, shrunk toward the mean of all bins, which is itself shrunk toward `overall`. */
  means(overall: number): Float64Array {
    const mean = (this.sum + PRIOR_SAMPLES * overall) / (this.count + PRIOR_SAMPLES);
    return this.#sums.map((sum, bin) => (sum + PRIOR_SAMPLES * mean) / (this.counts[bin] + PRIOR_SAMPLES));
  }
}
