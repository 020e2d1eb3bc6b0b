import type { AuditMeasure, Interval } from '../../plans/protocol/drift-report.ts';

/** Describes for people how far the answers are from the most accurate model's, the evidence for it, and what to do. */
export function describeAudit(audit: AuditMeasure): string {
  const { reference, sinceMs, drawn, compared, disagreement, expected, accuracy, expectedAccuracy, lost } = audit;
  const basis = `${compared} of ${drawn} drawn answers compared in the last ${Math.round(sinceMs / 1_000)} s`;
  if (disagreement === null || accuracy === null) return `${basis}, too few to tell`;
  const differ = `${reference} would answer ${percent(disagreement)} of the requests differently, ${share(expected)} expected`;
  const right = `accuracy about ${percent(accuracy)}, ${share(expectedAccuracy.estimate)} expected`;
  if (!lost) return `${differ}; ${right}, if the inputs are like the validation samples; ${basis}`;
  return (
    `accuracy is being lost: ${differ}; ${right}, if answers are right as often as validation samples with the same certainties and ` +
    'disagreements: the inputs no longer resemble those, the models may be wrong together, and only labels can show their accuracy; ' +
    `${basis}; label newer samples, then run \`cascade profile\` and \`cascade plan\``
  );
}

function percent({ estimate, low, high }: Interval): string {
  return `${share(estimate)} (${(100 * low).toFixed(1)} to ${share(high)})`;
}

function share(value: number): string {
  return `${(100 * value).toFixed(1)} %`;
}
