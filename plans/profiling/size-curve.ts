import { type RuntimeCurve, runtimeMs } from '../domain/profile/profile.ts';
import { monotone } from './curve.ts';

/** Sizes of samples at which runtimes are measured. */
const QUANTILES = [0, 1 / 3, 2 / 3, 1];

/** Positions of samples at quantiles of the sizes, from the smallest to the largest, each size once. */
export function sizeQuantiles(size: Int32Array): number[] {
  const bySize = Array.from(size.keys()).sort((a, b) => size[a] - size[b]);
  const positions = QUANTILES.map((quantile) => bySize[Math.round(quantile * (bySize.length - 1))]);
  return positions.filter((position, i) => i === 0 || size[position] > size[positions[i - 1]]);
}

/**
 * A model's curve by sample size, with the mean over all samples as its times. A larger sample cannot be faster, so where a
 * measurement says so, both values are off.
 */
export function withMean(
  { batch, bySize }: { readonly batch: readonly number[]; readonly bySize: readonly { size: number; ms: readonly number[] }[] },
  sizes: Int32Array,
): RuntimeCurve {
  const columns = batch.map((_, b) => monotone(bySize.map(({ ms }) => ms[b])));
  const smooth = bySize.map(({ size }, s) => ({ size, ms: columns.map((column) => Number(column[s].toPrecision(4))) }));
  const curve: RuntimeCurve = { batch, ms: smooth[0].ms, bySize: smooth };
  const ms = batch.map((count) => sizes.reduce((sum, size) => sum + runtimeMs(curve, count, size), 0) / sizes.length);
  return { ...curve, ms: ms.map((value) => Number(value.toPrecision(4))) };
}
