/** A slope by least squares, with its 95 % confidence interval. */
export interface Slope {
  readonly slope: number;
  readonly interval: readonly [number, number];
}

/** Undefined if there are too few points for an interval. */
export function slopeOf(points: readonly (readonly [x: number, y: number])[]): Slope | undefined {
  const n = points.length;
  if (n < 4) return undefined;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n;
  const spread = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  const slope = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spread;
  const residue = points.reduce((sum, [x, y]) => sum + (y - meanY - slope * (x - meanX)) ** 2, 0);
  const half = studentT(n - 2) * Math.sqrt(residue / (n - 2) / spread);
  return { slope, interval: [slope - half, slope + half] };
}

/** The 97.5th percentile of Student's t by the Cornish-Fisher expansion: within 1 % from four degrees of freedom up. */
function studentT(freedom: number): number {
  const z = 1.959964;
  return (
    z +
    (z ** 3 + z) / (4 * freedom) +
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2) +
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * freedom ** 3)
  );
}
