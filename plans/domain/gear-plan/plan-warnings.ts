import { percent, plain } from '../../explain/format.ts';
import { qualityBySample, type ValidationRecords, validationRecords } from '../cascade/cascade.ts';
import { inOrderOf } from '../profile/family-order.ts';
import type { Profile } from '../profile/profile.ts';
import { describeCascade, type GearPlan, type Stage, sameCascade } from './gear-plan.ts';

/** Warn when the accuracy is uncertain by more than this either way, because there were few samples. */
const WIDE = 0.02;
/** A cascade that uses more than this share of another's device time is hardly cheaper. */
const CHEAPER = 0.9;
/** Of the standard normal distribution: 95 % lies within. */
const Z = 1.96;
/** Show only a few ranges: one example is enough to investigate. */
const SHOWN_RANGES = 3;

type Family = { readonly models: readonly Pick<Profile['models'][number], 'name' | 'quality' | 'certainties'>[] };
type Point = GearPlan['frontier'][number];

/** Neighbouring ranges whose cascade may be no better than a cheaper one. */
interface Doubt {
  readonly fromQps: number;
  readonly toQps: number;
  readonly chosen: Point;
  readonly cheaper: Point;
}

/**
 * What people should know about the accuracies in a plan before they rely on them: that there were few samples, and where a cheaper
 * cascade may be as accurate.
 * @param family of the profile that the plan was made from.
 */
export function planWarnings(plan: GearPlan, family: Family): string[] {
  const records = validationRecords({ models: inOrderOf(family.models, plan.models) });
  return [...fewSamples(plan, records.samples), ...cheaperOnes(plan, records)];
}

function fewSamples({ expected }: GearPlan, samples: number): string[] {
  const [low, high] = expected.accuracyInterval;
  const half = (high - low) / 2;
  if (half <= WIDE) return [];
  return [
    `${samples} validation samples are few: the expected accuracy of ${percent(expected.accuracy)} is uncertain by ` +
      `${points(half)} points either way; ${4 * samples} samples would halve that`,
  ];
}

/** Both cascades answered the same samples, so we compare them sample by sample. */
function cheaperOnes(plan: GearPlan, records: ValidationRecords): string[] {
  const quality = new Map<Point, Float32Array>();
  const qualityOf = (point: Point): Float32Array => {
    const known = quality.get(point) ?? qualityBySample(records, ...numbered(point.cascade, plan));
    quality.set(point, known);
    return known;
  };
  const doubts: Doubt[] = [];
  for (const { cascade, qps } of plan.gears) {
    const chosen = plan.frontier.find((point) => sameCascade(point.cascade, cascade));
    if (chosen === undefined) continue;
    const cheaper = plan.frontier.find(
      (point) => point.computeMs < CHEAPER * chosen.computeMs && isWithinNoise(difference(qualityOf(chosen), qualityOf(point))),
    );
    if (cheaper === undefined) continue;
    const last = doubts.at(-1);
    if (last?.chosen === chosen && last.cheaper === cheaper) doubts[doubts.length - 1] = { ...last, toQps: qps[1] };
    else doubts.push({ fromQps: qps[0], toQps: qps[1], chosen, cheaper });
  }
  const told = doubts.slice(0, SHOWN_RANGES).map(({ fromQps, toQps, chosen, cheaper }) => {
    const { mean, error } = difference(qualityOf(chosen), qualityOf(cheaper));
    return (
      `${plain(fromQps)} - ${plain(toQps)} requests/s: ${describeCascade(cheaper.cascade)} may be as accurate as the chosen ` +
      `${describeCascade(chosen.cascade)}, for ${percent(cheaper.computeMs / chosen.computeMs, 0)} of the device time: on the ` +
      `same ${records.samples} samples, the chosen one is ${points(mean)} points better, plus or minus ${points(Z * error)}`
    );
  });
  return doubts.length > SHOWN_RANGES ? [...told, `the same goes for ${doubts.length - SHOWN_RANGES} more ranges of load`] : told;
}

/** Mean over the samples of how much better `one` is than `other`, and its standard error. */
function difference(one: Float32Array, other: Float32Array): { mean: number; error: number } {
  let [sum, squares] = [0, 0];
  for (let i = 0; i < one.length; i++) {
    sum += one[i] - other[i];
    squares += (one[i] - other[i]) ** 2;
  }
  const mean = sum / one.length;
  return { mean, error: Math.sqrt(Math.max(0, squares / one.length - mean * mean) / one.length) };
}

function isWithinNoise({ mean, error }: { mean: number; error: number }): boolean {
  return mean <= Z * error;
}

function numbered(cascade: readonly Stage[], { models }: GearPlan): [models: number[], thresholds: number[]] {
  return [cascade.map(({ model }) => models.indexOf(model)), cascade.flatMap(({ threshold }) => threshold ?? [])];
}

function points(fraction: number): string {
  return plain(100 * fraction, 2);
}
