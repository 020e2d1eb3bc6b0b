import type { Profile } from '../domain/profile/profile.ts';
import { BOUNDS, type CalibrationFactors, type FittedFactor, type LoadFigures } from './calibration.ts';

type Latencies = Pick<LoadFigures, 'latencyMsP50' | 'latencyMsP95'>;

export interface Fit {
  readonly factors: CalibrationFactors;
  readonly atBound: FittedFactor[];
  /** Root mean square log ratio of simulated to measured latency, before and after: 0.1 is about 10 %. */
  readonly errorBefore: number;
  readonly errorAfter: number;
}

/** Step sizes of the search, as ratios, coarse to fine. */
const STEPS = [2.5, 1.6, 1.25, 1.1, 1.04];
/** Most rounds over all factors with one step size: coarse steps may need to go far. */
const MOST_ROUNDS = 6;
/**
 * Penalty for moving away from the start, in squared logarithms, relative to those of latencies. A factor that the measurements do not
 * determine, such as the wake-up cost when no load was light, stays where it was.
 */
const PULL = 0.002;
const ORDER: readonly FittedFactor[] = ['jitterMs', 'hopMs', 'perBatch', 'perRequest', 'wakeMs', 'intakeMs'];

/** Where the search starts: as profiled; costs that a profile does not know start small. */
export function startingFactors(
  { overhead }: Profile,
  { inference, contentionMs }: Pick<CalibrationFactors, 'inference' | 'contentionMs'>,
): CalibrationFactors {
  const { hopMs } = overhead;
  return {
    inference,
    contentionMs,
    perBatch: 1,
    perRequest: 1,
    hopMs: within('hopMs', hopMs),
    wakeMs: within('wakeMs', hopMs),
    intakeMs: 0.002,
    jitterMs: within('jitterMs', hopMs),
  };
}

/**
 * Coordinate search for the factors that bring simulated latencies closest to measured ones: it minimises the sum over loads of squared
 * log ratios of p50 and p95.
 * @param simulate latencies of all loads with given factors.
 * @param measured latencies of the same loads.
 */
export function fitFactors(
  start: CalibrationFactors,
  measured: readonly Latencies[],
  simulate: (factors: CalibrationFactors) => readonly Latencies[],
  onProgress: (fraction: number) => void = () => undefined,
): Fit {
  const misfit = (factors: CalibrationFactors): number => {
    const simulated = simulate(factors);
    return measured.reduce((sum, load, i) => sum + squaredLog(simulated[i], load), 0);
  };
  const pull = (factors: CalibrationFactors): number =>
    PULL * ORDER.reduce((sum, name) => sum + Math.log(factors[name] / start[name]) ** 2, 0);
  const before = misfit(start);
  let factors = start;
  let cost = before;
  STEPS.forEach((step, s) => {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const costBefore = cost;
      for (const name of ORDER) {
        for (const ratio of [step, 1 / step]) {
          const tried = { ...factors, [name]: within(name, factors[name] * ratio) };
          if (tried[name] === factors[name]) continue;
          const triedCost = misfit(tried) + pull(tried);
          if (triedCost >= cost) continue;
          [factors, cost] = [tried, triedCost];
          break;
        }
      }
      if (cost === costBefore) break;
    }
    onProgress((s + 1) / STEPS.length);
  });
  const terms = 2 * measured.length;
  return {
    factors: { ...factors, ...Object.fromEntries(ORDER.map((name) => [name, Number(factors[name].toPrecision(4))])) },
    atBound: ORDER.filter((name) => BOUNDS[name].includes(factors[name])),
    errorBefore: Math.sqrt(before / terms),
    errorAfter: Math.sqrt((cost - pull(factors)) / terms),
  };
}

function within(name: FittedFactor, value: number): number {
  const [least, most] = BOUNDS[name];
  return Math.min(most, Math.max(least, value));
}

function squaredLog(simulated: Latencies, measured: Latencies): number {
  return (
    Math.log(simulated.latencyMsP50 / measured.latencyMsP50) ** 2 + Math.log(simulated.latencyMsP95 / measured.latencyMsP95) ** 2
  );
}
