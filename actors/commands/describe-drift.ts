import type { DriftMeasure } from '../../plans/drift/drift-measure.ts';
import type { DriftReport } from '../../plans/protocol/drift-report.ts';
import { describeAudit } from '../controller/describe-audit.ts';

/** Lines for people: how far the load, and each model's certainties, are from the plan. */
export function describeDrift({ qps, certainty, audit }: DriftReport): string[] {
  const means = `mean ${Math.round(qps.meanQps)} requests/s, planned ${Math.round(qps.plannedMeanQps)}`;
  return [
    `load against the plan: ${describeMeasure(qps, 'seconds')}; ${means}`,
    ...certainty.map((measure) => `certainty of ${measure.model}: ${describeMeasure(measure, 'samples')}`),
    ...(audit === null ? [] : [`audit: ${describeAudit(audit)}`]),
  ];
}

function describeMeasure({ observations, distance, bound, drifted }: DriftMeasure, unit: string): string {
  const count = `${Math.round(observations)} ${unit}`;
  if (distance === null) return `${count}, too few to tell`;
  return `${drifted ? 'has drifted' : 'as planned'}, distance ${distance.toFixed(3)}, bound ${bound.toFixed(3)}, ${count}`;
}
