import { type ScaleContinuousNumeric, scaleLinear, scaleLog } from 'd3-scale';

type Pixels = readonly [from: number, to: number];

/** Maps values of a quantity to pixels along an axis. */
export interface Scale {
  readonly domain: readonly [from: number, to: number];
  readonly ticks: readonly number[];
  at(value: number): number;
}

/** Even scale whose ends are round numbers, so that all values lie within. */
export function linearScale(from: number, to: number, pixels: Pixels, ticks = 6): Scale {
  // One value alone has no extent to spread over the axis.
  const end = to > from ? to : from + (Math.abs(from) || 1);
  return fixed(scaleLinear([from, end], pixels).nice(ticks), ticks);
}

/** Even scale with ends as given: for axes that must line up with something else. */
export function exactScale(from: number, to: number, pixels: Pixels, ticks = 8): Scale {
  return fixed(scaleLinear([from, to], pixels), ticks);
}

/** Above this many, a logarithmic axis keeps its ticks at 1, 2 and 5 only. */
const CROWDED = 9;

/** For quantities that span orders of magnitude: equal factors, equal distances. */
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
