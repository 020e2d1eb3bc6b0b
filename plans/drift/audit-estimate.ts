import type { GearPlan } from '../domain/gear-plan/gear-plan.ts';
import type { Profile } from '../domain/profile/profile.ts';
import type { Task } from '../domain/task/task.ts';
import type { AuditCounts } from '../protocol/control-messages.ts';
import type { AuditMeasure, Interval } from '../protocol/drift-report.ts';
import { AuditExpectation, type ExpectedAudit, meanQuality, PRIOR_SAMPLES } from './audit-expectation.ts';
import { CERTAINTY_BINS } from './certainty-bins.ts';
import { total } from './distance.ts';
import { weightedMean, wilson } from './interval.ts';

export interface AuditBounds {
  /** Rise of disagreement above the expected value, or fall of accuracy below it, that counts as a loss. */
  readonly bound: number;
  /** Minimum number of comparisons before reporting. */
  readonly minSamples: number;
  /** Of the models; required when answers are not classes. */
  readonly task?: Task | undefined;
}

/** The measurement covers this time, or longer, up to LONGEST_MS, if there were too few comparisons. */
const WINDOW_MS = 50_000;
const LONGEST_MS = 1_800_000;
/** A loss ends well below the level at which it starts, so that it is not reported over and over. */
const ENDS_AT = 0.5;

/** Counts for one model in one gear. */
interface Stratum {
  readonly gear: number;
  readonly model: string;
  readonly expected: ExpectedAudit;
  answered: number;
  drawn: number;
  readonly agreed: Float64Array;
  readonly differed: Float64Array;
}

interface Slice {
  readonly from: number;
  readonly strata: Map<string, Stratum>;
}

/**
 * Estimates how many answers the most accurate model would not give, from the audited ones. Answers are drawn within each model and
 * gear and weighted by how many were given there, so the estimate does not depend on which of them had spare time.
 */
export class AuditEstimate {
  readonly #expectation: AuditExpectation;
  readonly #bounds: AuditBounds;
  /** Oldest first; the last one is still being filled. */
  #slices: Slice[];
  #lost = false;

  constructor(plan: GearPlan, profile: Pick<Profile, 'models'>, bounds: AuditBounds, now: number) {
    this.#expectation = new AuditExpectation(plan, profile, bounds.task);
    this.#bounds = bounds;
    this.#slices = [{ from: now, strata: new Map() }];
  }

  observe({ gear, model, answered, drawn, agreed, differed }: AuditCounts): void {
    const expected = this.#expectation.of(gear, model);
    if (expected === undefined || agreed.length !== CERTAINTY_BINS || differed.length !== CERTAINTY_BINS) return;
    const stratum = stratumIn(this.#slices[this.#slices.length - 1].strata, { gear, model, expected });
    stratum.answered += answered;
    stratum.drawn += drawn;
    add(stratum.agreed, agreed);
    add(stratum.differed, differed);
  }

  /** Call about once a second. @returns undefined when there is no model to compare with. */
  tick(now: number): AuditMeasure | undefined {
    const { reference } = this.#expectation;
    if (reference === undefined) return undefined;
    const { from, strata } = this.#recent(now);
    this.#slices = this.#slices.filter((slice) => slice.from > now - LONGEST_MS);
    this.#slices.push({ from: now, strata: new Map() });
    const all = [...strata.values()];
    const answered = sumOf(all, (stratum) => stratum.answered);
    const audited = all.filter(({ model }) => model !== reference);
    const compared = sumOf(audited, comparedIn);
    const expected = answered === 0 ? 0 : sumOf(all, (stratum) => stratum.answered * stratum.expected.disagreement) / answered;
    const enough = this.#areEnough(strata.values());
    const disagreement = enough ? disagreementOf(all, answered, reference) : null;
    const accuracy = enough ? accuracyOf(all, answered) : null;
    const expectedAccuracy = this.#expectedAccuracy(all, answered);
    const known = answered === 0 ? 0 : sumOf(all, (stratum) => stratum.answered * evidenceIn(stratum)) / answered;
    this.#judge(disagreement, expected, accuracy, expectedAccuracy, known);
    return {
      reference,
      sinceMs: now - from,
      answered,
      drawn: sumOf(audited, (stratum) => stratum.drawn),
      compared,
      disagreement,
      expected,
      accuracy,
      expectedAccuracy,
      lost: this.#lost,
    };
  }

  /** @param known share of the answers that comparisons speak for. The others are as expected, which does not show that a loss is over. */
  #judge(
    disagreement: Interval | null,
    expected: number,
    accuracy: Interval | null,
    expectedAccuracy: Interval,
    known: number,
  ): void {
    if (disagreement === null || accuracy === null) return;
    const { bound } = this.#bounds;
    this.#lost = this.#lost
      ? Math.max(disagreement.estimate - expected, expectedAccuracy.estimate - accuracy.estimate) > ENDS_AT * bound * known
      : Math.max(disagreement.low - expected, expectedAccuracy.low - accuracy.high) > bound;
  }

  /** All gears share the same validation samples, so their errors do not average out. */
  #expectedAccuracy(strata: readonly Stratum[], answered: number): Interval {
    const mean = (of: keyof Interval): number =>
      answered === 0
        ? 0
        : sumOf(strata, (stratum) => stratum.answered * this.#expectation.accuracyIn(stratum.gear)[of]) / answered;
    return { estimate: mean('estimate'), low: mean('low'), high: mean('high') };
  }

  /** Fewer comparisons suffice when the most accurate model gives most answers itself. */
  #areEnough(strata: Iterable<Stratum>): boolean {
    let [answered, byOthers, compared] = [0, 0, 0];
    for (const stratum of strata) {
      answered += stratum.answered;
      if (stratum.model === this.#expectation.reference) continue;
      byOthers += stratum.answered;
      compared += comparedIn(stratum);
    }
    const { minSamples } = this.#bounds;
    return answered >= minSamples && answered * compared >= byOthers * minSamples;
  }

  /** The newest slices that cover the window and hold enough comparisons. */
  #recent(now: number): Slice {
    const strata = new Map<string, Stratum>();
    let from = now;
    for (let at = this.#slices.length - 1; at >= 0; at--) {
      if (now - from >= WINDOW_MS && this.#areEnough(strata.values())) break;
      const slice = this.#slices[at];
      from = slice.from;
      for (const counts of slice.strata.values()) {
        const stratum = stratumIn(strata, counts);
        stratum.answered += counts.answered;
        stratum.drawn += counts.drawn;
        add(stratum.agreed, counts.agreed);
        add(stratum.differed, counts.differed);
      }
    }
    return { from, strata };
  }
}

function disagreementOf(strata: readonly Stratum[], answered: number, reference: string): Interval {
  return weighted(strata, answered, (stratum) =>
    stratum.model === reference
      ? // The reference model agrees with itself.
        { estimate: 0, low: 0, high: 0 }
      : estimateIn(stratum, wilson(total(stratum.differed), comparedIn(stratum)), stratum.expected.disagreement),
  );
}

function accuracyOf(strata: readonly Stratum[], answered: number): Interval {
  return weighted(strata, answered, (stratum) =>
    estimateIn(stratum, meanQuality(stratum.expected, stratum), stratum.expected.accuracy.estimate),
  );
}

/**
 * Busy devices audit nothing, so most answers of a crowd may be in strata with few comparisons or none. Their estimate is near the expected
 * value; that little is known shows in the interval.
 */
function estimateIn(stratum: Stratum, { estimate, low, high }: Interval, expected: number): Interval {
  const likely = expected + evidenceIn(stratum) * (estimate - expected);
  return { estimate: Math.min(high, Math.max(low, likely)), low, high };
}

/** Weight of the comparisons against the expectation: 0 without any, close to 1 with many. */
function evidenceIn(stratum: Stratum): number {
  const compared = comparedIn(stratum);
  return compared / (compared + PRIOR_SAMPLES);
}

/** Mean over all answers of a share within each stratum. */
function weighted(strata: readonly Stratum[], answered: number, share: (stratum: Stratum) => Interval): Interval {
  return weightedMean(
    strata.map((stratum) => ({ weight: answered === 0 ? 0 : stratum.answered / answered, share: share(stratum) })),
  );
}

function stratumIn(
  strata: Map<string, Stratum>,
  { gear, model, expected }: Pick<Stratum, 'gear' | 'model' | 'expected'>,
): Stratum {
  const key = `${gear} ${model}`;
  let stratum = strata.get(key);
  if (stratum === undefined) {
    const bins = (): Float64Array => new Float64Array(CERTAINTY_BINS);
    stratum = { gear, model, expected, answered: 0, drawn: 0, agreed: bins(), differed: bins() };
    strata.set(key, stratum);
  }
  return stratum;
}

function comparedIn({ agreed, differed }: Pick<Stratum, 'agreed' | 'differed'>): number {
  return total(agreed) + total(differed);
}

function add(to: Float64Array, counts: ArrayLike<number>): void {
  for (let bin = 0; bin < to.length; bin++) to[bin] += counts[bin];
}

function sumOf<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((sum, value) => sum + of(value), 0);
}
