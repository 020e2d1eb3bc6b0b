import Table from 'cli-table3';
import type { Report } from '../../plans/report.ts';
import type { ReportSlo } from '../../plans/report-builder.ts';

type Row = [label: string, of: (report: Report) => string];

function rows(slo: ReportSlo): Row[] {
  const goal = slo.type === 'latency' ? `p95 <= ${slo.p95Ms} ms` : `accuracy >= ${slo.accuracy}`;
  return [
    ['requests offered', (r) => String(r.offered)],
    ['answered', (r) => String(r.completed)],
    ['refused / errors / lost / duplicates', (r) => `${r.rejected} / ${r.errors} / ${r.lost} / ${r.duplicates}`],
    ['answered per second', (r) => r.goodputQps.toFixed(0)],
    ['accuracy', (r) => percent(r.accuracy)],
    [
      'latency p50 / p95 / p99 / max, ms',
      (r) => [r.latencyMs.p50, r.latencyMs.p95, r.latencyMs.p99, r.latencyMs.max].map(ms).join(' / '),
    ],
    [`seconds with ${goal}`, (r) => percent(r.sloAttainment)],
    ['gear changes', (r) => String(r.gearSwitches ?? 'unknown')],
    [
      'device busy with inference',
      (r) =>
        r.deviceUtilisation === null
          ? 'unknown'
          : Object.entries(r.deviceUtilisation)
              .map(([d, u]) => `${d} ${percent(u)}`)
              .join(', '),
    ],
  ];
}

/** Reports side by side, one column each. */
export function describeReports(columns: Readonly<Record<string, Report>>, slo: ReportSlo): string {
  const table = new Table({ head: ['', ...Object.keys(columns)], style: { head: [], border: [] } });
  for (const [label, of] of rows(slo)) table.push([label, ...Object.values(columns).map(of)]);
  return `${table.toString()}\n`;
}

export function describeReport(report: Report, slo: ReportSlo): string {
  return describeReports({ measured: report }, slo);
}

export function percent(fraction: number | null): string {
  return fraction === null ? 'unknown' : `${(100 * fraction).toFixed(2)} %`;
}

function ms(value: number | null): string {
  return value === null ? '-' : value.toFixed(1);
}
