import Table from 'cli-table3';
import { describeWeights } from '../domain/gear-plan/gear-plan.ts';
import { ACCURACY_NOTE, BEST_EFFORT_NOTE, BEYOND_ONLY_NOTE, NO_RULES } from '../report/plan-table.ts';
import type { ExplainedLoss, ExplainedStage, Explanation } from './explanation.ts';
import { accuracyWithInterval, describeSlo, gearNames, interval, milliseconds, percent, plain } from './format.ts';

const STYLE = { style: { head: [], border: [] }, chars: NO_RULES };
/** On a long frontier, list about this many cascades that no gear runs. */
const LISTED = 12;

/** The plan for the terminal: promise, frontier, placement, gears, and the reason for each gear. */
export function explanationTables(explanation: Explanation): string {
  const { deployment, synthetic, slo, gears, beyond, expected } = explanation;
  const made = synthetic ? ' (synthetic: runtimes or answers are made up)' : '';
  return [
    `gear plan of ${deployment}${made}`,
    `${describeSlo(slo)} up to ${plain(gears[gears.length - 1].qps[1])} requests/s`,
    ...beyond.slice(-1).map(({ qps }) => beyondSentence(qps[1])),
    `expected over the loads: accuracy ${percent(expected.accuracy)} (95 % interval ${interval(expected.accuracyInterval)}), p95 ${plain(expected.latencyMsP95, 3)} ms`,
    '',
    'Frontier: cascades that no other beats in both accuracy and work',
    frontierTable(explanation),
    '',
    'Placement: replicas never move, so a gear change loads nothing',
    placementTable(explanation),
    `weights: ${describeWeights(explanation.weights)}`,
    '',
    ...(explanation.losses.length === 0
      ? []
      : ['When a device is lost: gears for the others are ready', lossTable(explanation), '']),
    'Gears: one for each range of load',
    gearTable(explanation),
    '',
    'Why these gears: what keeps each range from using a better cascade',
    ...reasons(explanation),
    '',
  ].join('\n');
}

/** What happens above the highest promised load. */
export function beyondSentence(topQps: number): string {
  return `above that, best effort (no SLO promised): less accurate gears, up to ${plain(topQps)} requests/s`;
}

function frontierTable({ frontier }: Explanation): string {
  const table = new Table({
    head: ['ms per request', 'accuracy', '95 % interval', 'run by', 'cascade'],
    colAligns: ['right', 'right', 'right', 'left', 'left'],
    ...STYLE,
  });
  const every = Math.ceil(frontier.length / LISTED);
  let left = 0;
  frontier.forEach(({ cascade, accuracy, accuracyInterval, computeMs, gears }, i) => {
    if (gears.length === 0 && i % every !== 0 && i !== frontier.length - 1) left++;
    else {
      const runBy = gears.length === 0 ? '' : gearNames(gears);
      table.push([plain(computeMs, 3), percent(accuracy), interval(accuracyInterval), runBy, cascade]);
    }
  });
  return left === 0 ? table.toString() : `${table.toString()}\n(${left} more that no gear runs)`;
}

function placementTable({ devices, models }: Explanation): string {
  const held = models.filter((model) => devices.some((device) => device.models.includes(model)));
  const table = new Table({
    head: ['device', ...held, 'fullest', 'in gear'],
    colAligns: ['left', ...held.map(() => 'center' as const), 'right', 'right'],
    ...STYLE,
  });
  for (const { device, models: here, beyondOnly, utilisation, busiestGear } of devices) {
    const marks = held.map((model) => (beyondOnly.includes(model) ? '*' : here.includes(model) ? 'x' : ''));
    table.push([device, ...marks, percent(utilisation, 0), String(busiestGear)]);
  }
  return devices.every(({ beyondOnly }) => beyondOnly.length === 0) ? table.toString() : `${table}\n${BEYOND_ONLY_NOTE}`;
}

function lossTable({ losses }: Explanation): string {
  const table = new Table({ head: ['lost', ...LOSS_COLUMNS.map(([head]) => head)], ...STYLE });
  for (const loss of losses) table.push([oneOf(loss.devices), ...LOSS_COLUMNS.map(([, cell]) => cell(loss))]);
  return table.toString();
}

/** `d0`, or `any of d0, d1` */
export function oneOf(devices: readonly string[]): string {
  return devices.length === 1 ? devices[0] : `any of ${devices.join(', ')}`;
}

export const LOSS_COLUMNS: readonly (readonly [head: string, cell: (loss: ExplainedLoss) => string])[] = [
  ['carries, requests/s', ({ qpsMax }) => plain(qpsMax)],
  ['best effort up to', ({ carriedQps }) => plain(carriedQps)],
  [
    'accuracy up to the SLO’s load',
    ({ accuracy, accuracyInterval }) => {
      const [before, after] = ([0, 1] as const).map((side) =>
        accuracyWithInterval({ accuracy: accuracy[side], accuracyInterval: accuracyInterval[side] }),
      );
      return `${after} instead of ${before}`;
    },
  ],
  ['highest p95', ({ latencyMsP95: [before, after] }) => `${milliseconds(after)} instead of ${milliseconds(before)}`],
];

function gearTable({ gears, beyond, devices }: Explanation): string {
  const table = new Table({
    head: [
      'gear',
      'requests/s',
      'cascade',
      'answers',
      'accuracy',
      '95 % interval',
      'p95 ms',
      'min queue',
      'wait ms',
      'fullest',
      'bottleneck',
    ],
    colAligns: ['right', 'right', 'left', 'right', 'right', 'right', 'right', 'right', 'right', 'right', 'left'],
    ...STYLE,
  });
  for (const gear of [...gears, ...beyond]) {
    table.push([
      `${gear.index}${gear.bestEffort ? ' *' : ''}`,
      `${plain(gear.qps[0])} - ${plain(gear.qps[1])}`,
      gear.cascade,
      gear.stages.map(({ answers }) => (answers === null ? '?' : (100 * answers).toFixed(0))).join(' / '),
      percent(gear.accuracy),
      interval(gear.accuracyInterval),
      plain(gear.latencyMs.p95, 3),
      gear.stages.map(lengths).join(' / '),
      plain(gear.maxWaitMs, 3),
      `${devices.length === 1 ? '' : `${gear.fullest.device} `}${percent(gear.fullest.utilisation, 0)}`,
      gear.bottleneck,
    ]);
  }
  const notes = [
    ACCURACY_NOTE,
    'answers: percent of requests that each model of the cascade answers; samples with a certainty below <n move on',
    ...(beyond.length === 0 ? [] : [BEST_EFFORT_NOTE]),
  ];
  return [table.toString(), ...notes].join('\n');
}

/** `3`, or `2-5` when the replicas differ. */
export function lengths({ minQueueLength: [least, most] }: ExplainedStage): string {
  return least === most ? String(least) : `${least}-${most}`;
}

/** Neighbours with the same cascade and reason, in one line. */
function reasons({ gears, beyond }: Explanation): string[] {
  const lines = new Map<string, number[]>();
  for (const { index, bestEffort, cascade, why } of [...gears, ...beyond]) {
    const binds = why.binds === 'nothing' ? 'nothing binds' : `${why.binds} binds`;
    // All gears beyond the promise have the same reason.
    const line = bestEffort ? why.text : `${cascade}\n    ${binds}: ${why.text}`;
    lines.set(line, [...(lines.get(line) ?? []), index]);
  }
  return [...lines].map(([line, indices]) => `  ${gearNames(indices)}: ${line}`);
}
