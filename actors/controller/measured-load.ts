import { ConfigError } from '../../engine/errors.ts';
import type { Load } from '../../plans/domain/deployment/deployment.ts';
import type { DriftReport } from '../../plans/protocol/drift-report.ts';

/** Beyond this share of seconds above the highest planned load, a plan for that load will not do. */
const MUCH_ABOVE = 0.01;

/**
 * The load to plan for as it was measured, in the place of the one that the deployment file says.
 * @throws ConfigError when nothing, or too little, was measured yet.
 */
export function measuredLoad(
  load: Load,
  drift: DriftReport | null,
  minSeconds: number,
): { load: Load; warning: string | undefined } {
  const seconds = Math.floor(drift?.qps.observations ?? 0);
  if (drift === null || seconds < minSeconds) {
    throw new ConfigError(
      `load was measured for ${seconds} s (seconds without a request do not count), less than the ${minSeconds} of drift.minSamples: wait, or set that lower`,
    );
  }
  const { qpsMax, histogram, above } = drift.qps;
  const warning =
    above > MUCH_ABOVE
      ? `${(100 * above).toFixed(1)} % of the seconds had more than the ${qpsMax} requests/s of load.qpsMax; plan for more with --qps-max`
      : undefined;
  return { load: { ...load, distribution: { type: 'histogram', qpsMax, weights: histogram } }, warning };
}
