import Table from 'cli-table3';
import { accuracyWithInterval, interval, percent } from '../explain/format.ts';
import { bestOption, type ProvisionGoal, type ProvisionOption } from '../planner/provision/provision.ts';
import { NO_RULES } from './plan-table.ts';

/** The number of devices needed, one line per kind. */
export function provisionTable(
  options: readonly ProvisionOption[],
  goal: ProvisionGoal,
  max: number,
  synthetic: boolean,
): string {
  const table = new Table({
    head: ['devices', 'fewest', 'accuracy', '95 % interval', 'p95 ms', 'one fewer, or the most tried'],
    style: { head: [], border: [] },
    chars: NO_RULES,
    colAligns: ['left', 'right', 'right', 'right', 'right', 'left'],
  });
  for (const { kind, fewest, short } of options) {
    table.push([
      kind,
      fewest === undefined ? 'none' : String(fewest.devices.length),
      fewest === undefined ? '' : percent(fewest.plan.expected.accuracy),
      fewest === undefined ? '' : interval(fewest.plan.expected.accuracyInterval),
      fewest === undefined ? '' : fewest.plan.expected.latencyMsP95.toFixed(1),
      short === undefined ? '' : describeShort(short),
    ]);
  }
  const asked = `p95 <= ${goal.p95Ms} ms and accuracy >= ${percent(goal.accuracy)}`;
  const best = bestOption(options);
  const answer =
    best?.fewest === undefined
      ? `no number of devices up to ${max} meets ${asked}`
      : `${asked}: ${best.fewest.devices.length} x ${best.kind}`;
  return [table.toString(), `${answer}${synthetic ? ' (synthetic: runtimes or answers are made up)' : ''}`, ''].join('\n');
}

function describeShort({ devices, expected, why }: NonNullable<ProvisionOption['short']>): string {
  const count = `with ${devices}`;
  if (expected !== undefined) return `${count}: accuracy ${accuracyWithInterval(expected)}`;
  if (why === undefined) return count;
  return `${count}: no plan from ${Number(why.qpsRange[0].toFixed(2))} requests/s, ${why.model}`;
}
