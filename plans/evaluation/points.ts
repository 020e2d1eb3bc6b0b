import type { Report } from '../report/report.ts';
import type { SecondWindow } from '../report/report-builder.ts';
import type { StrategyName } from './strategies/names.ts';
import type { Candidate, Settings } from './strategies/strategy.ts';

/** A candidate of a strategy on a number of devices, and how it handled the load. */
export interface Point {
  readonly strategy: StrategyName;
  /** Devices available to it. */
  readonly given: number;
  /** Devices used, averaged over time; fewer than `given` only with autoscaling. */
  readonly devices: number;
  readonly settings: Settings;
  readonly p95Ms: number;
  readonly accuracy: number;
}

export interface MeasuredPoint extends Point {
  readonly candidate: Candidate;
  readonly report: Report;
  readonly windows: readonly SecondWindow[];
}

/** The Pareto frontier of latency and accuracy, fastest first. */
export function frontierOf<T extends Pick<Point, 'p95Ms' | 'accuracy'>>(points: readonly T[]): T[] {
  let best = Number.NEGATIVE_INFINITY;
  return points
    .toSorted((a, b) => a.p95Ms - b.p95Ms || b.accuracy - a.accuracy)
    .filter(({ accuracy }) => {
      if (accuracy <= best) return false;
      best = accuracy;
      return true;
    });
}

/** The target by which one of a strategy's points is chosen. */
export type Goal = { readonly p95Ms: number } | { readonly accuracy: number };

/** The point within the goal that is best in the other metric; if there is none, the one closest to the goal. */
export function bestFor<T extends Pick<Point, 'p95Ms' | 'accuracy'>>(points: readonly T[], goal: Goal): T | undefined {
  const order = (a: T, b: T): number =>
    'p95Ms' in goal
      ? Number(b.p95Ms <= goal.p95Ms) - Number(a.p95Ms <= goal.p95Ms) ||
        (a.p95Ms <= goal.p95Ms ? b.accuracy - a.accuracy : 0) ||
        a.p95Ms - b.p95Ms
      : Number(b.accuracy >= goal.accuracy) - Number(a.accuracy >= goal.accuracy) ||
        (a.accuracy >= goal.accuracy ? a.p95Ms - b.p95Ms : 0) ||
        b.accuracy - a.accuracy;
  return points.toSorted(order)[0];
}

export function meets({ p95Ms, accuracy }: Pick<Point, 'p95Ms' | 'accuracy'>, goal: Goal): boolean {
  return 'p95Ms' in goal ? p95Ms <= goal.p95Ms : accuracy >= goal.accuracy;
}
