import Table from 'cli-table3';
import { median } from '../../machine.ts';
import type { Measured } from './measure.ts';

type Figure = (run: Measured) => number | null;

const COLUMNS: readonly (readonly [head: string, of: Figure, show: (value: number) => string])[] = [
  ['attainment', (run) => run.attainment, percent],
  ['within 100 ms', (run) => run.withinShare, percent],
  ['p50 ms', (run) => run.offeredLatencyMs.p50, oneDigit],
  ['p95 ms', (run) => run.offeredLatencyMs.p95, oneDigit],
  ['p99 ms', (run) => run.offeredLatencyMs.p99, oneDigit],
  ['accuracy', (run) => run.accuracy, percent],
  ['expected', (run) => run.expectedAccuracy, percent],
  ['changes/min', (run) => run.gearChangesPerMinute, oneDigit],
  ['lag p99 ms', (run) => run.senderLagMs.p99, (value) => value.toFixed(2)],
  ['PSS MiB', (run) => run.pssMiB, (value) => value.toFixed(0)],
  ['RSS MiB', (run) => run.rssMiB, (value) => value.toFixed(0)],
];

/**
 * A row for each load and contender, with medians over the rounds that are not void, if there are any. A missing figure counts as the
 * worst.
 */
export function measuredTable(runs: readonly Measured[]): string {
  const table = new Table({
    head: ['requests/s', '', ...COLUMNS.map(([head]) => head), 'void runs'],
    style: { head: [], border: [] },
  });
  for (const group of groups(runs).values()) {
    const valid = group.filter((run) => !run.void);
    const counted = valid.length > 0 ? valid : group;
    const cells = COLUMNS.map(([, of, show]) => {
      const value = median(counted.map((run) => of(run) ?? Number.POSITIVE_INFINITY));
      return Number.isFinite(value) ? show(value) : '-';
    });
    table.push([group[0].qps, group[0].name, ...cells, `${group.length - valid.length} of ${group.length}`]);
  }
  return table.toString();
}

function groups(runs: readonly Measured[]): Map<string, Measured[]> {
  const found = new Map<string, Measured[]>();
  for (const run of runs) {
    const key = `${run.qps} ${run.name}`;
    const group = found.get(key);
    if (group === undefined) found.set(key, [run]);
    else group.push(run);
  }
  return found;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}

function oneDigit(value: number): string {
  return value.toFixed(1);
}
