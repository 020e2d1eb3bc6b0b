import type { Cascade } from '../../plans/domain/cascade/cascade.ts';
import { evenGear, type ReducedRequest, type Runs } from './reduced-space.ts';

/** The figures by which a plan is judged. */
export interface Point {
  /** Expected accuracy over the distribution of loads. */
  readonly accuracy: number;
  /** p95 of the slowest range. */
  readonly p95Ms: number;
}

/**
 * The best plan of the reduced space for every possible latency: in each range, the most accurate cascade whose p95 in the search's
 * runs is within it, and the fastest among equals. Plans are judged by separate runs that the search has not seen, because of hundreds
 * of cascades those that look best in the search's runs were lucky.
 */
export function exhaustivePlans(request: ReducedRequest, search: Runs, judge: Runs): Point[] {
  const { cascades, weights } = request;
  const found = cascades.map((cascade) => weights.map((_, range) => search.p95(evenGear(cascade, request), range)));
  const judged = new Map<string, number>();
  const judgedP95 = (c: number, range: number): number => {
    const key = `${c} ${range}`;
    const p95 = judged.get(key) ?? judge.p95(evenGear(cascades[c], request), range);
    judged.set(key, p95);
    return p95;
  };
  const points = new Map<string, Point>();
  for (const limitMs of new Set(found.flat())) {
    const chosen = weights.map((_, range) => mostAccurate(cascades, (c) => found[c][range], limitMs));
    if (chosen.includes(-1) || points.has(chosen.join())) continue;
    const accuracy = chosen.reduce((sum, c, range) => sum + weights[range] * cascades[c].accuracy, 0);
    points.set(chosen.join(), { accuracy, p95Ms: Math.max(...chosen.map(judgedP95)) });
  }
  return [...points.values()];
}

/** @returns -1 if none is within the limit. */
function mostAccurate(cascades: readonly Cascade[], p95: (cascade: number) => number, limitMs: number): number {
  return cascades.reduce((best, { accuracy }, c) => {
    if (p95(c) > limitMs) return best;
    if (best === -1 || accuracy > cascades[best].accuracy) return c;
    return accuracy === cascades[best].accuracy && p95(c) < p95(best) ? c : best;
  }, -1);
}
