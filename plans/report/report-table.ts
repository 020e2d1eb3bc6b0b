import Table from 'cli-table3';
import { NO_RULES } from './plan-table.ts';
import type { Report } from './report.ts';

const ROWS: readonly (readonly [what: string, of: (report: Report) => string | null])[] = [
  ['requests offered', (r) => String(r.offered)],
  ['completed', (r) => String(r.completed)],
  ['rejected / errors / lost / duplicates', (r) => `${r.rejected} / ${r.errors} / ${r.lost} / ${r.duplicates}`],
  ['results per second', (r) => r.goodputQps.toFixed(1)],
  ['accuracy', (r) => known(r.accuracy, percent)],
  ['latency p50 / p95 / p99 / max, ms', latencies],
  ['requests within the latency SLO', (r) => known(r.withinSlo, percent)],
  ['seconds that met the SLO', (r) => known(r.sloAttainment, percent)],
  ['gear changes', (r) => known(r.gearSwitches, String)],
  ['devices occupied', (r) => known(r.deviceUtilisation, utilisations)],
  ['generator lag p50 / p99 / max, ms', (r) => known(r.generatorLagMs, (l) => [l.p50, l.p99, l.max].map(lag).join(' / '))],
];

/** Reports for people, one column each; rows that apply to none are left out. */
export function reportTable(columns: Readonly<Record<string, Report>>): string {
  const table = new Table({ head: ['', ...Object.keys(columns)], style: { head: [], border: [] }, chars: NO_RULES });
  for (const [what, of] of ROWS) {
    const values = Object.values(columns).map(of);
    if (values.some((value) => value !== null)) table.push([what, ...values.map((value) => value ?? '-')]);
  }
  const voids = Object.entries(columns).flatMap(([column, report]) => (report.void ? [whyVoid(column, report)] : []));
  const missed = Object.values(columns).some((report) => latencies(report).includes(NO_RESULT));
  return `${[table.toString(), ...(missed ? [NO_RESULT_NOTE] : []), ...voids].join('\n')}\n`;
}

function whyVoid(column: string, { generatorLagMs }: Report): string {
  const late = `one request in a hundred was sent ${lag(generatorLagMs?.p99 ?? null)} ms late or more`;
  return `VOID (${column}): ${late}, above both 2 ms and 1 % of the latency SLO. These figures describe the load generator, not the deployment: run it where it has a free core.`;
}

function known<T>(value: T | null, show: (value: T) => string): string | null {
  return value === null ? null : show(value);
}

export function percent(fraction: number): string {
  return `${(fraction * 100).toFixed(2)} %`;
}

const NO_RESULT = 'none';
const NO_RESULT_NOTE = `${NO_RESULT}: this percentile is a request without a result; those count as infinitely late`;

function latencies({ offered, latencyMs: { p50, p95, p99, max } }: Report): string {
  return [p50, p95, p99, max].map((value) => value?.toFixed(1) ?? (offered === 0 ? '-' : NO_RESULT)).join(' / ');
}

function lag(value: number | null): string {
  return value?.toFixed(2) ?? '-';
}

/** For more devices than this, show only range and mean. */
const NAMED_DEVICES = 4;

function utilisations(byDevice: Readonly<Record<string, number>>): string {
  const entries = Object.entries(byDevice);
  if (entries.length <= NAMED_DEVICES) {
    return entries.map(([device, utilisation]) => `${device} ${percent(utilisation)}`).join(', ');
  }
  const values = entries.map(([, utilisation]) => utilisation);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return `${percent(Math.min(...values))} to ${percent(Math.max(...values))}, mean ${percent(mean)} of ${values.length} devices`;
}
