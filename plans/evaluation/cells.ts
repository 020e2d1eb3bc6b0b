import type { Point } from './points.ts';
import { BASELINES, type StrategyName } from './strategies/names.ts';

/** The devices needed for a latency and an accuracy (CascadeServe Fig. 7). */
export interface Cell {
  readonly p95Ms: number;
  readonly accuracy: number;
  /** Per strategy: the fewest devices with which one of its points reaches both; null if no number tried was enough. */
  readonly devices: Readonly<Partial<Record<StrategyName, number | null>>>;
  /** The baseline that needs the fewest; null if none reaches both. */
  readonly cheapestBaseline: StrategyName | null;
  /** Devices of that baseline divided by those of the cascade; null if either cannot reach both. */
  readonly saving: number | null;
}

export function cellsOf(
  points: readonly Point[],
  strategies: readonly StrategyName[],
  p95LevelsMs: readonly number[],
  accuracyLevels: readonly number[],
): Cell[] {
  return accuracyLevels.flatMap((accuracy) =>
    p95LevelsMs.map((p95Ms): Cell => {
      const fewest = (strategy: StrategyName): number | null => {
        const counts = points
          .filter((point) => point.strategy === strategy && point.p95Ms <= p95Ms && point.accuracy >= accuracy)
          .map(({ devices }) => devices);
        return counts.length === 0 ? null : Math.min(...counts);
      };
      const devices = Object.fromEntries(strategies.map((strategy) => [strategy, fewest(strategy)])) as Cell['devices'];
      const baselines = BASELINES.flatMap((name) => {
        const count = devices[name];
        return count == null ? [] : [{ name, count }];
      }).sort((a, b) => a.count - b.count);
      const cheapest = baselines.at(0);
      const ours = devices.cascade;
      return {
        p95Ms,
        accuracy,
        devices,
        cheapestBaseline: cheapest?.name ?? null,
        saving: cheapest === undefined || ours == null ? null : cheapest.count / ours,
      };
    }),
  );
}

/** Whether the cascade and a baseline were run, so that not reaching a cell means something. */
export function savingIsKnown({ devices }: Cell): boolean {
  return 'cascade' in devices && BASELINES.some((name) => name in devices);
}
