import type { Cascade } from '../../domain/cascade/cascade.ts';
import type { FrontierCascade } from '../cycle/draft-plan.ts';

/** Keeps the cheapest cascade for each accuracy, to within one sample: at most as many as there are validation samples. */
export class ParetoPool {
  readonly #best: (FrontierCascade | undefined)[];
  readonly #samples: number;

  constructor(samples: number) {
    this.#samples = samples;
    this.#best = new Array(samples + 1);
  }

  wouldKeep(accuracy: number, workMs: number): boolean {
    const kept = this.#best[this.#place(accuracy)];
    return kept === undefined || workMs < kept.workMs;
  }

  offer(cascade: Cascade, workMs: number): void {
    if (this.wouldKeep(cascade.accuracy, workMs)) this.#best[this.#place(cascade.accuracy)] = { ...cascade, workMs };
  }

  #place(accuracy: number): number {
    return Math.round(accuracy * this.#samples);
  }

  frontier(): FrontierCascade[] {
    return paretoFrontier(this.#best.filter((cascade) => cascade !== undefined));
  }
}

/** The Pareto frontier of accuracy and work, ascending in both. */
export function paretoFrontier(cascades: readonly FrontierCascade[]): FrontierCascade[] {
  const cheapestFirst = cascades.toSorted(compareWork);
  const frontier: FrontierCascade[] = [];
  for (const cascade of cheapestFirst) if (cascade.accuracy > (frontier.at(-1)?.accuracy ?? -1)) frontier.push(cascade);
  return frontier;
}

/** The Pareto frontier of accuracy, work and p95 on idle devices. */
export function undominated(
  cascades: readonly FrontierCascade[],
  pathMs: (cascade: FrontierCascade) => number,
): FrontierCascade[] {
  const shortestFirst = cascades
    .map((cascade) => ({ cascade, ms: pathMs(cascade) }))
    .sort((a, b) => a.ms - b.ms || compareWork(a.cascade, b.cascade));
  const found: FrontierCascade[] = [];
  // The frontier of accuracy and work of those found so far.
  let stairs: FrontierCascade[] = [];
  for (const { cascade } of shortestFirst) {
    if (stairs.some((other) => other.accuracy >= cascade.accuracy && other.workMs <= cascade.workMs)) continue;
    found.push(cascade);
    stairs = stairs.filter((other) => other.accuracy > cascade.accuracy || other.workMs < cascade.workMs);
    stairs.push(cascade);
  }
  return found;
}

function compareWork(a: FrontierCascade, b: FrontierCascade): number {
  return a.workMs - b.workMs || b.accuracy - a.accuracy || (a.key < b.key ? -1 : 1);
}
