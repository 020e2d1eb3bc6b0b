import { ConfigError } from '../../engine/errors.ts';
import type { Load } from '../../plans/domain/deployment/deployment.ts';
import { total } from '../../plans/drift/distance.ts';
import type { DriftReport } from '../../plans/protocol/drift-report.ts';

/** If more than this share of seconds exceeds the highest planned load, warn that a plan for that load is not enough. */
const MUCH_ABOVE = 0.01;

/**
 * The measured load, to plan for instead of the load in the deployment file.
 * @param load its `qpsMax` is the highest load to plan for.
 * @throws ConfigError when too little has been measured so far.
 */
export function measuredLoad(
  load: Load,
  drift: DriftReport | null,
  minSeconds: number,
): { load: Load; warning: string | undefined } {
  const seconds = Math.floor(drift?.qps.observations ?? 0);
  if (drift === null || seconds < minSeconds) {
    throw new ConfigError(
      `load was measured for ${seconds} s (seconds without a request do not count), less than the ${minSeconds} of drift.minSamples: wait, or lower that`,
    );
  }
  const { qpsMax, histogram, histogramAbove = [] } = drift.qps;
  const width = qpsMax / histogram.length;
  const inLast = histogram[histogram.length - 1] - total(histogramAbove);
  const weights = [...histogram.slice(0, -1), Math.max(0, inLast), ...histogramAbove];
  const above = weights.reduce((sum, weight, m) => sum + weight * Math.min(1, Math.max(0, m + 1 - load.qpsMax / width)), 0);
  const warning =
    above > MUCH_ABOVE
      ? `${(100 * above).toFixed(1)} % of the seconds had more than the ${load.qpsMax} requests/s to plan for; plan for more with --qps-max`
      : undefined;
  return { load: { ...load, distribution: { type: 'histogram', qpsMax: width * weights.length, weights } }, warning };
}
