import Table from 'cli-table3';
import { NO_RULES } from './plan-table.ts';
import type { Report } from './report.ts';

/** A report as a person reads it; what does not apply is left out. */
export function reportTable(report: Report): string {
  const { latencyMs: l, deviceUtilisation } = report;
  const rows: [string, string | null][] = [
    ['requests offered', String(report.offered)],
    ['completed', String(report.completed)],
    ['rejected / errors / lost', `${report.rejected} / ${report.errors} / ${report.lost}`],
    ['duplicates', String(report.duplicates)],
    ['results per second', report.goodputQps.toFixed(1)],
    ['accuracy', report.accuracy === null ? null : percent(report.accuracy)],
    [
      'latency p50 / p95 / p99 / max',
      [l.p50, l.p95, l.p99, l.max]
        .map((ms) => ms?.toFixed(1) ?? '-')
        .join(' / ')
        .concat(' ms'),
    ],
    ['seconds that met the SLO', report.sloAttainment === null ? null : percent(report.sloAttainment)],
    ['gear changes', report.gearSwitches === null ? null : String(report.gearSwitches)],
    [
      'devices occupied',
      deviceUtilisation &&
        Object.entries(deviceUtilisation)
          .map(([device, u]) => `${device} ${percent(u)}`)
          .join(', '),
    ],
  ];
  const table = new Table({ style: { head: [], border: [] }, chars: NO_RULES, wordWrap: true, colWidths: [32, 76] });
  for (const [what, value] of rows) if (value !== null) table.push([what, value]);
  return `${table.toString()}\n`;
}

function percent(fraction: number): string {
  return `${(fraction * 100).toFixed(2)} %`;
}
