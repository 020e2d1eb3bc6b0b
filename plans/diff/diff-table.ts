import { accuracyWithInterval, percent, plain } from '../explain/format.ts';
import { figuresOf, type LoadDiff, type PlanDiff } from './plan-diff.ts';

/** The changes between two plans, for people. */
export function diffText(diff: PlanDiff): string {
  if (diff.same) return 'no difference: the plans serve the same way and expect the same figures\n';
  const { settings, placement, expected, loads } = diff;
  return [
    ...settings.map(({ what, before, after }) => `${what}: ${before}  ->  ${after}`),
    `expected over the loads: accuracy ${accuracyArrow(expected)}, p95 ${arrow(expected.latencyMsP95, milliseconds)}`,
    '',
    'placement',
    ...placement.added.map(({ model, device }) => `  + ${model} on ${device}`),
    ...placement.removed.map(({ model, device }) => `  - ${model} on ${device}`),
    ...(placement.added.length + placement.removed.length === 0 ? ['  as before'] : []),
    '',
    'gears',
    ...loads.flatMap(loadLines),
    '',
  ].join('\n');
}

function loadLines(load: LoadDiff): string[] {
  const { qps, gears, bestEffort, changes, latencyMsP95, utilisation } = load;
  const [before, after] = ([0, 1] as const).map((side) => `${gears[side]}${bestEffort[side] ? ' (best effort)' : ''}`);
  const name = `gear ${before === after ? after : `${before} -> ${after}`}`;
  const head = `  ${plain(qps[0])} - ${plain(qps[1])} requests/s, ${name}`;
  if (changes.length === 0 && figuresOf(load).every(([a, b]) => a === b)) return [`${head}: as before`];
  return [
    `${head}: accuracy ${accuracyArrow(load)}, p95 ${arrow(latencyMsP95, milliseconds)}, fullest device ${arrow(utilisation, (share) => percent(share, 0))}`,
    ...changes.flatMap(({ what, before, after }) => [`    ${what}`, `      - ${before}`, `      + ${after}`]),
  ];
}

function accuracyArrow({ accuracy, accuracyInterval }: Pick<LoadDiff, 'accuracy' | 'accuracyInterval'>): string {
  const [before, after] = ([0, 1] as const).map((side) =>
    accuracyWithInterval({ accuracy: accuracy[side], accuracyInterval: accuracyInterval[side] }),
  );
  return before === after ? after : `${before} -> ${after}`;
}

function arrow([before, after]: readonly [number, number], write: (value: number) => string): string {
  return before === after ? write(after) : `${write(before)} -> ${write(after)}`;
}

function milliseconds(ms: number): string {
  return `${ms.toFixed(1)} ms`;
}
