/**
 * Weighted sums of accuracies may miss a target that they reach exactly by this much. Far less than the share of one sample, so it only
 * absorbs rounding.
 */
export const ACCURACY_ROUNDING = 1e-9;

export function reachesAccuracy(accuracy: number, target: number): boolean {
  return accuracy >= target - ACCURACY_ROUNDING;
}
