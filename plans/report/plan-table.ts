import Table from 'cli-table3';
import { beyondOnly } from '../domain/gear-plan/beyond-only.ts';
import { allGears, describeCascade, type Gear, type GearPlan } from '../domain/gear-plan/gear-plan.ts';
import { accuracyWithInterval, interval } from '../explain/format.ts';

/** A line between every two rows would double the length. */
export const NO_RULES = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' };

/** Explanation of accuracies. */
export const ACCURACY_NOTE =
  'accuracy: expected on new samples, estimated on samples that did not choose the thresholds, with its 95 % interval';

/** Explains the mark on gears beyond the plan's highest load. */
export const BEST_EFFORT_NOTE = '* best effort, no SLO promised: for loads beyond the highest that was planned for';

/** Explains the mark on replicas that no promised gear uses. */
export const BEYOND_ONLY_NOTE = '* placed for crowds beyond the plan, in spare memory; only best-effort gears use it';

/** The plan as a table, one line per gear. */
export function planTable(plan: GearPlan): string {
  const table = new Table({
    head: [
      'requests/s',
      'cascade (certain enough at)',
      'accuracy',
      '95 % interval',
      'p95 ms',
      'fullest device',
      'bottleneck',
      'min queue',
      'wait ms',
    ],
    style: { head: [], border: [] },
    chars: NO_RULES,
    colAligns: ['right', 'left', 'right', 'right', 'right', 'right', 'left', 'right', 'right'],
  });
  allGears(plan).forEach((gear, g) => {
    table.push([
      `${plain(gear.qps[0])} - ${plain(gear.qps[1])}${g < plan.gears.length ? '' : ' *'}`,
      describeCascade(gear.cascade),
      percent(gear.expected.accuracy),
      interval(gear.expected.accuracyInterval),
      gear.expected.latencyMs.p95.toFixed(1),
      percent(Math.max(...Object.values(gear.expected.utilisation))),
      gear.expected.bottleneck,
      minQueue(gear),
      plain(gear.maxWaitMs),
    ]);
  });
  const goal = 'p95' in plan.slo ? `p95 <= ${plan.slo.p95} ms` : `accuracy >= ${plan.slo.accuracy}`;
  const made = plan.synthetic ? ' (synthetic: runtimes or answers are made up)' : '';
  return [
    table.toString(),
    ACCURACY_NOTE,
    ...(plan.beyond === undefined ? [] : [BEST_EFFORT_NOTE]),
    `${plan.deployment}: ${goal}; expected over the load: accuracy ${accuracyWithInterval(plan.expected)}, p95 ${plan.expected.latencyMsP95.toFixed(1)} ms${made}`,
    placementLine(plan),
    '',
  ].join('\n');
}

/** Over the first model's replicas. */
function minQueue(gear: Gear): string {
  const lengths = Object.values(gear.minQueueLength[gear.cascade[0].model] ?? {});
  const [low, high] = [Math.min(...lengths), Math.max(...lengths)];
  return low === high ? String(low) : `${low} - ${high}`;
}

function placementLine(plan: GearPlan): string {
  const forCrowds = beyondOnly(plan);
  const byModel = plan.models.flatMap((model) => {
    const devices = plan.placement
      .filter((replica) => replica.model === model)
      .map((replica) => `${replica.device}${forCrowds.includes(replica) ? ' *' : ''}`);
    return devices.length === 0 ? [] : [`${model} on ${devices.join(', ')}`];
  });
  const note = forCrowds.length === 0 ? [] : [BEYOND_ONLY_NOTE];
  return [`placement: ${byModel.join('; ')}`, ...note].join('\n');
}

function percent(fraction: number): string {
  return `${(fraction * 100).toFixed(2)} %`;
}

function plain(value: number): string {
  return String(Number(value.toFixed(2)));
}
