import type { Random } from '../../engine/random.ts';
import type { Trace } from './trace.ts';

/** Options of every made trace. Rates are requests per second; each second has the mean of its rates. */
interface Common {
  readonly seconds: number;
  /**
   * Standard deviation of each second's rate, relative to its mean: rates are multiplied by independent log-normal numbers of mean 1; 0
   * means no noise. The Poisson arrivals of a load vary in addition.
   */
  readonly noise: number;
}

export interface Diurnal extends Common {
  /** Rate at the start, and after each period. */
  readonly low: number;
  /** Rate in the middle of each period. */
  readonly peak: number;
  readonly periodSeconds: number;
}

/** Day and night: a cosine. */
export function diurnalTrace({ seconds, low, peak, periodSeconds, noise }: Diurnal, random: Random): Trace {
  const halfSecond = Math.PI / periodSeconds;
  // The mean of a cosine over a second is its middle, flattened.
  const flattened = Math.sin(halfSecond) / halfSecond;
  const rateIn = (second: number): number => low + ((peak - low) * (1 - flattened * Math.cos(halfSecond * (2 * second + 1)))) / 2;
  return noisy(seconds, rateIn, noise, random);
}

/** A state of a Markov-modulated process. */
interface LoadState {
  readonly qps: number;
  /** Mean of the exponential time in this state. */
  readonly staySeconds: number;
}

export interface MarkovModulated extends Common {
  /** At least two; it starts in the first. Every change goes to any of the others with equal probability. */
  readonly states: readonly LoadState[];
}

/** A Markov-modulated Poisson process: the rate depends on the state of a continuous-time Markov chain. */
export function markovModulatedTrace({ seconds, states, noise }: MarkovModulated, random: Random): Trace {
  const chain = random.split('states');
  const qps = new Float64Array(seconds);
  let state = 0;
  for (let from = 0; from < seconds; ) {
    const to = Math.min(seconds, from + chain.exponential(states[state].staySeconds));
    for (let second = Math.floor(from); second < to; second++) {
      qps[second] += states[state].qps * (Math.min(to, second + 1) - Math.max(from, second));
    }
    from = to;
    const other = chain.below(states.length - 1);
    state = other < state ? other : other + 1;
  }
  return noisy(seconds, (second) => qps[second], noise, random);
}

export interface FlashCrowd extends Common {
  readonly base: number;
  readonly peak: number;
  /** When each crowd starts to arrive. */
  readonly atSeconds: readonly number[];
  /** How long it takes to arrive, stays at the peak, and takes to leave; linear. */
  readonly riseSeconds: number;
  readonly holdSeconds: number;
  readonly fallSeconds: number;
}

/** A calm load, and crowds. When crowds overlap, the larger one counts. */
export function flashCrowdTrace(crowd: FlashCrowd, random: Random): Trace {
  const { seconds, base, peak, atSeconds, riseSeconds, noise } = crowd;
  const begins = atSeconds.toSorted((a, b) => a - b);
  const shareOf = (begin: number | undefined, at: number): number => (begin === undefined ? 0 : crowdShare(crowd, at - begin));
  const shareAt = (at: number): number => {
    // Of the crowds that have arrived, the last has most people left; of those still arriving, the first has most people there.
    const arriving = countUpTo(begins, at - riseSeconds);
    return Math.max(shareOf(begins[arriving - 1], at), shareOf(begins[arriving], at));
  };
  const shares = new Float64Array(seconds);
  const cuts = pieces(crowd, begins);
  for (let i = 1; i < cuts.length; i++) {
    const [from, to] = [cuts[i - 1], cuts[i]];
    // The share is linear between two cuts.
    if (from < to) shares[Math.floor(from)] += shareAt((from + to) / 2) * (to - from);
  }
  return noisy(seconds, (second) => base + (peak - base) * shares[second], noise, random);
}

/** All seconds, and the times between them at which the share of the crowds bends or jumps; ascending. */
function pieces({ seconds, riseSeconds, holdSeconds, fallSeconds }: FlashCrowd, begins: readonly number[]): Float64Array {
  const bends = begins.flatMap((begin, i) => {
    const [risen, falls] = [begin + riseSeconds, begin + riseSeconds + holdSeconds];
    const next = begins[i + 1];
    // Where the next crowd, arriving, becomes larger than this one, leaving: 1 - (at - falls) / fall = (at - next) / rise.
    const meets = (riseSeconds * (falls + fallSeconds) + fallSeconds * next) / (riseSeconds + fallSeconds);
    const doMeet = meets > Math.max(falls, next) && meets < Math.min(falls + fallSeconds, next + riseSeconds);
    return [begin, risen, falls, falls + fallSeconds, ...(doMeet ? [meets] : [])];
  });
  const inside = bends.filter((at) => at > 0 && at < seconds);
  const cuts = new Float64Array(seconds + 1 + inside.length);
  for (let second = 0; second <= seconds; second++) cuts[second] = second;
  cuts.set(inside, seconds + 1);
  return cuts.sort();
}

/** How many of the ascending values are at most `limit`. */
function countUpTo(ascending: readonly number[], limit: number): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle] <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Start times of `count` crowds in whole seconds; each is over before the trace ends. */
export function crowdTimes(
  count: number,
  { seconds, riseSeconds, holdSeconds, fallSeconds }: Omit<FlashCrowd, 'atSeconds'>,
  random: Random,
): number[] {
  const times = random.split('crowds');
  const latest = Math.max(0, Math.floor(seconds - riseSeconds - holdSeconds - fallSeconds));
  return Array.from({ length: count }, () => times.below(latest + 1)).sort((a, b) => a - b);
}

/** Share of the crowd that is present, from 0 to 1. */
function crowdShare({ riseSeconds, holdSeconds, fallSeconds }: FlashCrowd, after: number): number {
  if (after < 0) return 0;
  if (after < riseSeconds) return after / riseSeconds;
  const leaving = after - riseSeconds - holdSeconds;
  if (leaving < 0) return 1;
  return leaving < fallSeconds ? 1 - leaving / fallSeconds : 0;
}

function noisy(seconds: number, rateIn: (second: number) => number, noise: number, random: Random): Trace {
  const draws = random.split('noise');
  const variance = Math.log(1 + noise * noise);
  const factor = (): number => (noise === 0 ? 1 : Math.exp(Math.sqrt(variance) * draws.normal() - variance / 2));
  return { qps: Float64Array.from({ length: seconds }, (_, second) => rateIn(second) * factor()) };
}
