import Table from 'cli-table3';
import pc from 'picocolors';
import { printable } from '../../engine/printable.ts';
import type { DeploymentSlo } from '../../plans/domain/deployment/deployment.ts';
import { accuracyWithInterval, milliseconds, percent, plain } from '../../plans/explain/format.ts';
import { describeEnd } from '../../plans/protocol/pin-order.ts';
import { describeAudit } from '../controller/describe-audit.ts';
import type { Status } from '../controller/status-report.ts';
import type { Happening, Second } from '../observer/picture.ts';

/** Everything that a screen shows. */
export interface Scene {
  readonly deployment: string;
  readonly slo: DeploymentSlo;
  readonly qpsMax: number;
  /** At least one; newest last. */
  readonly seconds: readonly Second[];
  /** Newest last. */
  readonly happenings: readonly Happening[];
  readonly status: Status | null;
  /** Why the status is outdated. */
  readonly problem: string | null;
}

const BARS = '▁▂▃▄▅▆▇█';
const BAR_CELLS = 20;
const MIN_COLUMNS = 60;
const LABEL_CELLS = 14;
const FIGURE_CELLS = 13;

/** Renders a deployment as terminal lines. @param size of the terminal, in characters; the result fits into it. */
export function drawScreen(scene: Scene, size: { readonly columns: number; readonly rows: number }): string[] {
  const columns = Math.max(MIN_COLUMNS, size.columns);
  const { deployment, slo, qpsMax, seconds, happenings, status, problem } = scene;
  const now = seconds[seconds.length - 1];
  const cells = Math.min(60, columns - LABEL_CELLS - FIGURE_CELLS - 2);
  const row = (label: string, figure: string, rest = ''): string =>
    `${pc.dim(label.padEnd(LABEL_CELLS))}${pc.bold(figure.padEnd(FIGURE_CELLS))}${rest.slice(0, columns - LABEL_CELLS - FIGURE_CELLS)}`;
  const p95s = seconds.map(({ latencyMs }) => latencyMs?.p95 ?? 0);
  const gear = now.gear === null ? undefined : (status?.gears[now.gear] ?? undefined);
  const promise = slo.type === 'latency' ? `SLO ${milliseconds(slo.p95Ms)}` : `SLO: accuracy ${percent(slo.accuracy)}`;
  const others = now.latencyMs === null ? '' : `; p50 ${milliseconds(now.latencyMs.p50)}, p99 ${milliseconds(now.latencyMs.p99)}`;
  const audit = status?.drift?.audit;
  const total = Object.values(now.answers).reduce((sum, qps) => sum + qps, 0);
  const lines = [
    `${pc.bold(deployment)}  ${timeOf(now.at)}  ${problem === null ? pc.green(`plan revision ${status?.revision ?? '-'}`) : pc.red(`no controller answers: ${printable(problem)}`.slice(0, columns - 40))}`,
    row('load', `${plain(now.qps, 3)}/s`, `of ${plain(qpsMax)} planned`),
    row(
      '',
      '',
      sparkline(tail(seconds, cells), ({ qps }) => qps),
    ),
    row(
      'gear',
      now.gear === null ? '-' : String(now.gear),
      `${gear?.cascade ?? ''}${gear?.bestEffort ? ', best effort: no SLO promised' : ''}${status?.gear?.pinned ? `, pinned ${describeEnd(status.gear.pinned.until)}` : ''}`,
    ),
    row('p95', now.latencyMs === null ? '-' : milliseconds(now.latencyMs.p95), `${promise}${others}`),
    row(
      '',
      '',
      sparkline(tail(p95s, cells), (ms) => ms),
    ),
    row(
      'accuracy',
      gear === undefined ? '-' : percent(gear.expected.accuracy),
      gear && `expected ${accuracyWithInterval(gear.expected)}`,
    ),
    ...(audit ? [row('', '', describeAudit(audit))] : []),
    row('no result', `${plain(now.unserved, 3)}/s`),
    ...Object.entries(now.answers)
      .sort(([, a], [, b]) => b - a)
      .map(([model, qps]) =>
        row(printable(model).slice(0, LABEL_CELLS - 1), `${plain(qps, 3)}/s`, bar(total === 0 ? 0 : qps / total)),
      ),
    '',
    ...devicesTable(now, status, columns),
    '',
    ...[...happenings].reverse().map(({ at, text }) => `${timeOf(at)}  ${text}`.slice(0, columns)),
  ];
  return lines.slice(0, Math.max(1, size.rows - 1));
}

/** The same as a single line, for logs. */
export function describeSecond({ at, qps, gear, latencyMs, unserved, utilisation }: Second): string {
  const sorted = Object.entries(utilisation).sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }));
  const busy = sorted.map(([device, share]) => `${device} ${percent(share, 0)}`);
  const p95 = latencyMs === null ? '-' : milliseconds(latencyMs.p95);
  return `${timeOf(at)}  load ${plain(qps, 3)}/s  gear ${gear ?? '-'}  p95 ${p95}  no result ${plain(unserved, 3)}/s  busy: ${busy.length === 0 ? '-' : busy.join(', ')}`;
}

function devicesTable(now: Second, status: Status | null, columns: number): string[] {
  if (status === null) return [];
  const table = new Table({
    head: ['device', 'state', 'busy', 'speed', 'waits', 'queues'],
    chars: BORDERLESS,
    style: { head: ['dim'], border: [], 'padding-left': 0, 'padding-right': 2 },
  });
  const sorted = [...status.devices].sort((a, b) => a.device.localeCompare(b.device, 'en', { numeric: true }));
  for (const { device, phase, backlogMs, queues, speed } of sorted) {
    const busy = now.utilisation[device];
    const lengths = Object.entries(queues).map(([model, length]) => `${model} ${length}`);
    const slowdown = `${speed.slowdown.toFixed(2)}x`;
    table.push([
      device,
      phase,
      busy === undefined ? '-' : percent(busy, 0),
      speed.state === 'slow' ? pc.yellow(slowdown) : slowdown,
      milliseconds(backlogMs),
      lengths.join(', ').slice(0, Math.max(12, columns - 60)),
    ]);
  }
  for (const device of status.missing) table.push([pc.red(device), pc.red('missing'), '-', '-', '-', '-']);
  return table.toString().split('\n');
}

const BORDERLESS = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '',
} as const;

function sparkline<T>(values: readonly T[], amount: (value: T) => number): string {
  const amounts = values.map(amount);
  const most = Math.max(...amounts);
  return amounts
    .map((value) => BARS[most === 0 ? 0 : Math.min(BARS.length - 1, Math.floor((BARS.length * value) / most))])
    .join('');
}

function bar(share: number): string {
  return pc.cyan('█'.repeat(Math.round(BAR_CELLS * share)));
}

function tail<T>(values: readonly T[], count: number): readonly T[] {
  return values.slice(-count);
}

function timeOf(at: number): string {
  return new Date(at).toTimeString().slice(0, 8);
}
