import { createRandom } from '../../../engine/random.ts';
import { shuffled } from '../../data/shuffled.ts';
import {
  type Cascade,
  evaluateCascade,
  type RecordedFamily,
  recordsAt,
  type ValidationRecords,
} from '../../domain/cascade/cascade.ts';
import type { FrontierCascade } from '../cycle/draft-plan.ts';
import { type AccuracyEstimate, type Evidence, estimateOf, spreadOf } from './accuracy-estimate.ts';

/** With this many samples, a search on four fifths of them finds equally good cascades as on nine tenths, in half the time. */
const MANY_SAMPLES = 2_000;
/** Amounts of work at which searches are compared, between one cascade of the frontier and the next. */
const STEPS = 8;
/** The last cascade of the frontier is chosen for any amount of work above its own; it is judged up to this factor. */
const ABOVE_LAST = 2;

type Frontier = readonly FrontierCascade[];

/**
 * The accuracy that cascades promise. A cascade's measured accuracy is too optimistic: the cascade and its thresholds were chosen
 * among thousands for being accurate on these very samples.
 *
 * Cross-fitting corrects this: each part of the samples judges the frontier that a search on the other parts finds. A cascade
 * promises what those frontiers offer for the same amount of work. A promise never exceeds the measured accuracy and never falls
 * where the measured accuracy rises, so maximising one maximises the other.
 */
export class HonestAccuracy {
  readonly #evidence: Evidence;
  readonly #measured: readonly number[];
  readonly #promised: readonly number[];

  /** @param measured accuracies of the frontier's cascades, ascending. @param promised their corrected accuracies. */
  constructor(evidence: Evidence, measured: readonly number[], promised: readonly number[]) {
    this.#evidence = evidence;
    this.#measured = measured;
    this.#promised = promised;
  }

  /** Expected accuracy of a cascade on new samples: interpolated linearly between cascades of the frontier. */
  of({ accuracy }: Pick<Cascade, 'accuracy'>): number {
    const [at, last] = [this.#measured, this.#measured.length - 1];
    if (accuracy <= at[0]) return Math.max(0, accuracy - at[0] + this.#promised[0]);
    if (accuracy >= at[last]) return accuracy - at[last] + this.#promised[last];
    const above = at.findIndex((measured) => measured > accuracy);
    const share = (accuracy - at[above - 1]) / (at[above] - at[above - 1]);
    return this.#promised[above - 1] + share * (this.#promised[above] - this.#promised[above - 1]);
  }

  /** Expected accuracy with its 95 % interval. */
  estimate(cascade: Pick<Cascade, 'accuracy'>): AccuracyEstimate {
    return estimateOf(this.of(cascade), cascade.accuracy, this.#evidence);
  }
}

/** Number of parts: each judges what a search on the others finds. */
function foldsOf(samples: number): number {
  return samples < MANY_SAMPLES ? Math.min(10, samples) : 5;
}

/**
 * @param frontier of a search on all samples, ascending in work and accuracy; at least one cascade.
 * @param search runs the same search on the given records.
 */
export function crossFit(
  family: RecordedFamily,
  frontier: Frontier,
  search: (records: ValidationRecords) => Frontier,
  folds = foldsOf(family.models[0].quality.length),
): HonestAccuracy {
  const samples = family.models[0].quality.length;
  const evidence = { samples, spread: Math.max(...family.models.map(({ quality }) => spreadOf(quality))) };
  const measured = frontier.map(({ accuracy }) => accuracy);
  const sums = new Float64Array(frontier.length);
  const order = shuffled(samples, createRandom('folds'));
  // A single sample cannot judge itself.
  if (folds < 2) return new HonestAccuracy(evidence, measured, measured);
  for (let fold = 0; fold < folds; fold++) {
    const found = search(
      recordsAt(
        family,
        order.filter((_, i) => i % folds !== fold),
      ),
    );
    const judges = order.filter((_, i) => i % folds === fold);
    const judged = accuraciesOf(found, family, judges);
    frontier.forEach(({ workMs }, i) => {
      const upToMs = frontier[i + 1]?.workMs ?? ABOVE_LAST * workMs;
      sums[i] += judges.length * meanBetween(workMs, upToMs, found, judged);
    });
  }
  const promised = Array.from(sums, (sum, i) => Math.min(sum / samples, measured[i]));
  return new HonestAccuracy(evidence, measured, ascending(promised));
}

function accuraciesOf(frontier: Frontier, family: RecordedFamily, samples: Int32Array): number[] {
  const records = recordsAt(family, samples);
  return frontier.map(({ models, thresholds }) => evaluateCascade(records, models, thresholds).accuracy);
}

/** Mean value over amounts of work at equal ratios, each with the most accurate cascade that takes no more. */
function meanBetween(fromMs: number, toMs: number, frontier: Frontier, values: readonly number[]): number {
  let sum = 0;
  for (let step = 0; step < STEPS; step++) {
    const workMs = fromMs * (toMs / fromMs) ** ((step + 0.5) / STEPS);
    sum +=
      values[
        Math.max(
          0,
          frontier.findLastIndex((cascade) => cascade.workMs <= workMs),
        )
      ];
  }
  return sum / STEPS;
}

/** The closest non-decreasing values (pool adjacent violators): a fall between neighbours is noise. */
function ascending(values: readonly number[]): number[] {
  const pools: { sum: number; count: number }[] = [];
  for (const value of values) {
    let pool = { sum: value, count: 1 };
    for (let last = pools.at(-1); last !== undefined && last.sum / last.count > pool.sum / pool.count; last = pools.at(-1)) {
      pools.pop();
      pool = { sum: last.sum + pool.sum, count: last.count + pool.count };
    }
    pools.push(pool);
  }
  return pools.flatMap(({ sum, count }) => new Array<number>(count).fill(sum / count));
}
