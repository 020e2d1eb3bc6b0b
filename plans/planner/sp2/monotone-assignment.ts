import { ACCURACY_ROUNDING, reachesAccuracy } from '../accuracy-rounding.ts';

/** Halvings in the search for the price of accuracy: enough to exhaust double precision. */
const BISECTIONS = 60;
/** So that a range of weight 0 still gets a sensible cascade. */
const LEAST_WEIGHT = 1e-9;

export interface AssignmentProblem {
  /** Per range: probability. */
  readonly weights: readonly number[];
  /** Per cascade, ascending. */
  readonly accuracy: readonly number[];
  /** [cascade][range]; Infinity if the cascade is infeasible in the range. */
  readonly scoreMs: readonly ArrayLike<number>[];
}

/**
 * Minimises sum(weight * score) subject to sum(weight * accuracy) >= target and, so that a rising load never shifts to a
 * slower gear, accuracy that does not rise from one range to the next.
 *
 * Lagrangian relaxation: dynamic programming finds the best monotone assignment at a price per unit of accuracy, and bisection the
 * lowest price that meets the target. Accuracy above the target is then traded for latency step by step.
 * @returns a cascade per range; or the highest accuracy possible; undefined if a range has no feasible cascade.
 */
export function assignMonotone(
  problem: AssignmentProblem,
  target: number,
): { readonly type: 'assigned'; readonly cascades: number[] } | { readonly type: 'short'; readonly reached: number } | undefined {
  const total = (assignment: readonly number[]): number =>
    assignment.reduce((sum, c, r) => sum + problem.weights[r] * problem.accuracy[c], 0);
  const highest = bestAt(Number.POSITIVE_INFINITY, problem);
  if (highest === undefined) return undefined;
  if (!reachesAccuracy(total(highest), target)) return { type: 'short', reached: total(highest) };
  let best = bestAt(0, problem) ?? highest;
  if (reachesAccuracy(total(best), target)) return { type: 'assigned', cascades: best };
  best = highest;
  // Prices above the ratio of the largest latency difference to the smallest accuracy difference change nothing.
  let low = 1e-6;
  let high = 1e15;
  for (let i = 0; i < BISECTIONS; i++) {
    const price = Math.sqrt(low * high);
    const assignment = bestAt(price, problem) ?? highest;
    if (reachesAccuracy(total(assignment), target)) {
      best = assignment;
      high = price;
    } else low = price;
  }
  return { type: 'assigned', cascades: sellExcess(best, total(best) - (target - ACCURACY_ROUNDING), problem) };
}

/** The best monotone assignment at a price; at an infinite price, the most accurate one. */
function bestAt(price: number, { weights, accuracy, scoreMs }: AssignmentProblem): number[] | undefined {
  const count = accuracy.length;
  const cost = (c: number, r: number): number => {
    const score = scoreMs[c][r];
    if (!Number.isFinite(score)) return Number.POSITIVE_INFINITY;
    const weight = Math.max(LEAST_WEIGHT, weights[r]);
    return Number.isFinite(price) ? weight * (score - price * accuracy[c]) : -weight * accuracy[c];
  };
  // Backwards from the last range: `best[c]` is the least cost of ranges r.. if range r has cascade c or a less accurate one.
  const choice: Int32Array[] = [];
  let below = new Float64Array(count);
  for (let r = weights.length - 1; r >= 0; r--) {
    const best = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
    const chosen = new Int32Array(count).fill(-1);
    for (let c = 0; c < count; c++) {
      const own = cost(c, r) + below[c];
      const lower = c > 0 ? best[c - 1] : Number.POSITIVE_INFINITY;
      best[c] = Math.min(own, lower);
      chosen[c] = own <= lower ? (Number.isFinite(own) ? c : -1) : chosen[c - 1];
    }
    choice[r] = chosen;
    below = best;
  }
  const assignment: number[] = [];
  let limit = count - 1;
  for (let r = 0; r < weights.length; r++) {
    limit = choice[r][limit];
    if (limit === -1) return undefined;
    assignment.push(limit);
  }
  return assignment;
}

/** Switches ranges to faster cascades, largest gain first, while the excess accuracy pays for it. */
function sellExcess(assignment: readonly number[], excess: number, { weights, accuracy, scoreMs }: AssignmentProblem): number[] {
  const current = [...assignment];
  let left = excess;
  for (;;) {
    let best: { r: number; c: number; gain: number; paid: number } | undefined;
    for (let r = 0; r < current.length; r++) {
      const lowest = current[r + 1] ?? 0;
      const highest = r === 0 ? accuracy.length - 1 : current[r - 1];
      for (let c = lowest; c <= highest; c++) {
        const gain = weights[r] * (scoreMs[current[r]][r] - scoreMs[c][r]);
        const paid = weights[r] * (accuracy[current[r]] - accuracy[c]);
        if (gain > 1e-12 && paid <= left && gain > (best?.gain ?? 0)) best = { r, c, gain, paid };
      }
    }
    if (best === undefined) return current;
    current[best.r] = best.c;
    left -= best.paid;
  }
}
