import Table from 'cli-table3';
import { percent, plain } from '../../explain/format.ts';
import { median } from '../../profiling/curve.ts';
import { NO_RULES } from '../../report/plan-table.ts';
import { reportTable } from '../../report/report-table.ts';
import { type Cell, savingIsKnown } from '../cells.ts';
import type { Comparison } from '../compare.ts';
import type { Settings } from '../strategies/strategy.ts';
import { LOOKS } from './look.ts';

/** The comparison as tables for a terminal. */
export function comparisonTables(comparison: Comparison): string {
  const { strategies, spike, goalDevices, cells, synthetic } = comparison;
  const savings = savingsSentence(cells);
  const given = `${goalDevices} ${goalDevices === 1 ? 'device' : 'devices'}`;
  const columns = Object.fromEntries(
    spike.flatMap(({ strategy, meetsGoal }) => {
      const report = strategies[strategy];
      return report == null ? [] : [[`${LOOKS[strategy].label}${meetsGoal ? '' : ' (misses the SLO)'}`, report]];
    }),
  );
  const kind = synthetic ? 'simulated, synthetic profile' : 'simulated';
  return [
    `${given}, ${kind}: each strategy with its best settings for the SLO\n`,
    Object.keys(columns).length === 0 ? 'no strategy keeps up with this load\n' : reportTable(columns),
    `\nfewest devices for a p95 and an accuracy; saving = cheapest of the baselines over CascadeServe; - = not with ${comparison.deviceCounts.at(-1)} devices\n`,
    cellTable(comparison),
    savings === null ? '' : `\n${savings}\n`,
  ].join('');
}

function cellTable({ cells, spike }: Comparison): string {
  const names = (Object.keys(LOOKS) as (keyof typeof LOOKS)[]).filter((name) => cells.some(({ devices }) => name in devices));
  const table = new Table({
    head: ['p95 ms', 'accuracy', ...names.map((name) => LOOKS[name].label), 'saving'],
    style: { head: [], border: [] },
    chars: NO_RULES,
  });
  for (const { p95Ms, accuracy, devices, saving } of spike.length === 0 ? [] : cells)
    table.push([
      plain(p95Ms),
      percent(accuracy, 1),
      ...names.map((name) => deviceNumber(devices[name])),
      saving === null ? '-' : `${saving.toFixed(1)}x`,
    ]);
  return table.toString();
}

export function deviceNumber(devices: number | null | undefined): string {
  return devices == null ? '-' : Number.isInteger(devices) ? String(devices) : devices.toFixed(1);
}

/** How the savings are distributed over the cells, including those without one; null unless ours and a baseline were run. */
export function savingsSentence(cells: readonly Cell[]): string | null {
  if (!cells.some(savingIsKnown)) return null;
  const both = cells.flatMap(({ saving }) => (saving === null ? [] : [saving]));
  const onlyOurs = cells.filter(({ saving, devices }) => saving === null && devices.cascade != null).length;
  const onlyTheirs = cells.filter(({ devices, cheapestBaseline }) => devices.cascade == null && cheapestBaseline !== null).length;
  const count = (test: (saving: number) => boolean): number => both.filter(test).length;
  return [
    `of ${cells.length} cells: ${count((s) => s >= 2)} with 2 times fewer devices or better`,
    `${count((s) => s > 1 && s < 2)} with fewer`,
    `${count((s) => s === 1)} with as many`,
    `${count((s) => s < 1)} with more`,
    `${onlyOurs} that only CascadeServe reaches`,
    `${onlyTheirs} that only a baseline reaches`,
    `${cells.length - both.length - onlyOurs - onlyTheirs} that no strategy reaches`,
    ...(both.length === 0 ? [] : [`median saving ${median(both).toFixed(1)}x`]),
  ].join('; ');
}

/** Hyper-parameters as text. */
export function settingsText(settings: Settings): string {
  return Object.entries(settings)
    .map(([key, value]) => `${key} ${typeof value === 'number' ? plain(value) : value}`)
    .join(', ');
}
