import { type ScaleContinuousNumeric, scaleLinear, scaleLog } from 'd3-scale';

type Pixels = readonly [from: number, to: number];

/** Maps values of a quantity to pixels along an axis. */
export interface Scale {
  readonly domain: readonly [from: number, to: number];
  readonly ticks: readonly number[];
  at(value: number): number;
}

/** Least and greatest value. A long load has more values than a call takes arguments, so `Math.max(...values)` would not do. */
export function extentOf(values: readonly number[]): [least: number, greatest: number] {
  return [
    values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY),
    values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY),
  ];
}

/** Linear scale with round numbers at its ends, so that all values lie within. */
export function linearScale(from: number, to: number, pixels: Pixels, ticks = 6): Scale {
  // A single value has no extent to spread over the axis.
  const end = to > from ? to : from + (Math.abs(from) || 1);
  return fixed(scaleLinear([from, end], pixels).nice(ticks), ticks);
}

/** Linear scale with the given ends, for axes that must line up with something else. */
export function exactScale(from: number, to: number, pixels: Pixels, ticks = 8): Scale {
  return fixed(scaleLinear([from, to], pixels), ticks);
}

/** With more ticks than this, a logarithmic axis keeps only those at 1, 2 and 5. */
const CROWDED = 9;

/** Logarithmic scale, for quantities that span orders of magnitude. */
export function logScale(from: number, to: number, pixels: Pixels): Scale {
  const scale = fixed(scaleLog([from / 1.15, to * 1.15], pixels), CROWDED);
  return scale.ticks.length <= CROWDED ? scale : { ...scale, ticks: scale.ticks.filter(startsWith125) };
}

function startsWith125(tick: number): boolean {
  return '125'.includes(tick.toExponential()[0]);
}

function fixed(scale: ScaleContinuousNumeric<number, number>, ticks: number): Scale {
  const [from, to] = scale.domain();
  return { domain: [from, to], ticks: scale.ticks(ticks), at: (value) => scale(value) };
}
