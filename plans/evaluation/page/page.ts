import { wilson } from '../../drift/interval.ts';
import { interval, milliseconds, percent, plain } from '../../explain/format.ts';
import { element, escapeText, type Markup } from '../../explain/svg.ts';
import type { BenchResults } from '../bench-results.ts';
import { type Cell, savingIsKnown } from '../cells.ts';
import type { Comparison } from '../compare.ts';
import { BASELINES, type StrategyName } from '../strategies/names.ts';
import { benchPart } from './bench-part.ts';
import { curvesChart } from './curves-chart.ts';
import { LOOKS } from './look.ts';
import { heading, number, paragraph, table } from './markup.ts';
import { spikeCharts } from './spike-chart.ts';
import { deviceNumber, savingsSentence, settingsText } from './tables.ts';

/** Pixels; the page fits a window of 1,100. */
const WIDE = 1_040;
const HALF = 510;

const STYLE = `
:root { color-scheme: light; }
body { margin: 0; background: #fff; color: #1d2939; font: 15px/1.5 system-ui, sans-serif; }
main { max-width: ${WIDE}px; margin: 0 auto; padding: 24px 20px 60px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 22px; margin: 40px 0 4px; } h3 { font-size: 17px; margin: 26px 0 4px; }
p { margin: 4px 0 10px; max-width: 900px; }
.made { border: 2px solid #1d2939; border-radius: 6px; padding: 6px 12px; display: inline-block; font-weight: 600; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 18px; }
svg { display: block; height: auto; font-family: system-ui, sans-serif; max-width: 100%; }
.tick { font-size: 11px; fill: #667085; } .label { font-size: 12px; fill: #344054; }
.legend, .mark { font-size: 12px; fill: #344054; } .big { font-size: 14px; font-weight: 600; fill: #1d2939; }
table { border-collapse: collapse; font-size: 13px; } th { text-align: left; font-weight: 600; background: #f2f4f7; }
th, td { padding: 5px 9px; border: 1px solid #d0d5dd; vertical-align: top; } td.n, th.n { text-align: right; white-space: nowrap; }
td b { font-size: 15px; } .small { color: #475467; font-size: 12px; }
`;

/** One deployment's part of the page. */
export interface PagePart {
  /** Default: the deployment's name. */
  readonly title?: string;
  readonly comparison: Comparison;
  readonly bench: BenchResults;
}

/** Comparisons as one self-contained page: no script, no font, no request. */
export function comparisonPage(parts: readonly PagePart[]): string {
  const title = `Strategies compared: ${parts.map(titleOf).join('; ')}`;
  const head = [
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width">',
    element('title', {}, escapeText(title)),
    `<style>${STYLE}</style>`,
  ];
  const results = parts.at(0)?.bench;
  const body = [
    element('h1', {}, escapeText(title)),
    paragraph(
      'After the evaluation in CascadeServe (arXiv 2406.14424, §6). Each strategy searched its hyper-parameters on the same load; all ran in the same simulator with the same arrivals. Figure numbers are the paper’s.',
    ),
    ...parts.flatMap((part) => comparisonPart(titleOf(part), part.comparison)),
    ...(results === undefined ? [] : benchPart(results, WIDE)),
  ];
  const page = element('html', { lang: 'en' }, element('head', {}, ...head), element('body', {}, element('main', {}, ...body)));
  return `<!doctype html>\n${page}\n`;
}

function titleOf({ title, comparison }: PagePart): string {
  return title ?? comparison.deployment;
}

function comparisonPart(title: string, comparison: Comparison): Markup[] {
  const { synthetic, seed, load, deviceCounts, goal, goalDevices, cells } = comparison;
  const target = 'p95Ms' in goal ? `p95 of ${plain(goal.p95Ms)} ms` : `accuracy of ${percent(goal.accuracy)}`;
  const names = namesOf(comparison);
  const savings = savingsSentence(cells);
  const parts = names.filter((name) => !BASELINES.includes(name));
  return [
    element('h2', {}, escapeText(title)),
    synthetic
      ? element('p', { class: 'made' }, 'Synthetic: runtimes or answers are generated, and devices are emulated.')
      : paragraph('Runtimes and answers are those of the profile, measured on real models.'),
    paragraph(
      `Simulated. Load: ${load.seconds} s, ${plain(load.meanQps)} requests/s on average, ${plain(load.peakQps)} in the highest second, Poisson arrivals within each second, seed ${seed}. SLO: ${target}. Numbers of devices tried: ${deviceCounts.join(', ')}. Nothing is refused: whoever falls behind answers late. Strategies choose their thresholds, ensembles and votes on one half of the samples. The other half judges them, and also decides which settings of each are its best.`,
    ),
    heading('Devices needed (Fig. 7)'),
    paragraph(
      `The fewest devices with which a strategy reaches a p95 over the load and an accuracy. Each cell: CascadeServe, the cheapest baseline, and how many times fewer devices.${savings === null ? '' : ` ${savings}.`}`,
    ),
    cellGrid(comparison),
    paragraph(
      'Cocktail+ scales its devices with the load and is counted with its average; all others keep theirs. The paper has 2 to 3 times fewer devices than the best baseline at most points.',
    ),
    heading('Accuracy and latency on fixed devices (Fig. 5, 6)'),
    paragraph(
      'Up and to the left is better. Each mark is a setting on the Pareto frontier of its strategy; hover over it for details.',
    ),
    curves(
      comparison,
      names.filter((name) => name === 'cascade' || BASELINES.includes(name)),
      deviceCounts,
    ),
    ...(parts.length > 1
      ? [
          heading('What switching and cascading contribute (Fig. 12)'),
          paragraph('The same planner with one of the two left out.'),
          curves(comparison, parts, countsOf(comparison, parts.slice(1))),
        ]
      : []),
    heading('Through the spikes (Fig. 8, 9)'),
    paragraph(
      `Each strategy on ${goalDevices} ${goalDevices === 1 ? 'device' : 'devices'}, with its best settings for the SLO; if none meets it, with those closest to it.`,
    ),
    ...spikeCharts(
      {
        spike: comparison.spike,
        seconds: load.seconds,
        sloMs: 'p95Ms' in goal ? goal.p95Ms : undefined,
      },
      WIDE,
    ),
    spikeTable(comparison),
    ...(comparison.planning.length === 0 ? [] : planningPart(comparison)),
  ];
}

/** Numbers of devices on which at least one of these strategies was run. */
function countsOf({ points, deviceCounts }: Comparison, strategies: readonly StrategyName[]): number[] {
  return deviceCounts.filter((count) => points.some(({ strategy, given }) => given === count && strategies.includes(strategy)));
}

function namesOf({ strategies }: Comparison): StrategyName[] {
  return (Object.keys(LOOKS) as StrategyName[]).filter((name) => name in strategies);
}

function curves(comparison: Comparison, strategies: readonly StrategyName[], counts: readonly number[]): Markup {
  const { points, p95LevelsMs } = comparison;
  const top = 4 * p95LevelsMs[p95LevelsMs.length - 1];
  const shown = points.filter(({ strategy, p95Ms }) => strategies.includes(strategy) && p95Ms <= top);
  if (shown.length === 0) return paragraph('No strategy keeps up with this load on these devices.');
  const extent = (of: (point: (typeof shown)[number]) => number): [number, number] => [
    Math.min(...shown.map(of)),
    Math.max(...shown.map(of)),
  ];
  const p95Ms = extent((point) => point.p95Ms);
  const accuracy = extent((point) => point.accuracy);
  return element(
    'div',
    { class: 'pair' },
    ...counts.map((given) => curvesChart({ points: shown, strategies, given, p95Ms, accuracy, width: HALF })),
  );
}

/** Rows are accuracies, columns latencies. */
function cellGrid({ cells, p95LevelsMs, accuracyLevels }: Comparison): Markup {
  const cellAt = (accuracy: number, p95Ms: number): Markup => {
    const cell = cells.find((each) => each.accuracy === accuracy && each.p95Ms === p95Ms);
    return element('td', {}, ...(cell === undefined ? [] : cellContent(cell)));
  };
  return table(
    ['accuracy', ...p95LevelsMs.map((ms) => `p95 ${plain(ms)} ms`)],
    [...accuracyLevels]
      .sort((a, b) => b - a)
      .map((accuracy) => [element('td', { class: 'n' }, percent(accuracy, 1)), ...p95LevelsMs.map((ms) => cellAt(accuracy, ms))]),
  );
}

function cellContent(cell: Cell): Markup[] {
  const { devices, cheapestBaseline, saving } = cell;
  const ours = devices.cascade;
  if (ours == null && cheapestBaseline === null) return ['nobody'];
  const own = `ours ${deviceNumber(ours)}`;
  const theirs =
    cheapestBaseline === null ? 'no baseline' : `${LOOKS[cheapestBaseline].label} ${deviceNumber(devices[cheapestBaseline])}`;
  const small = (says: string): Markup => element('div', { class: 'small' }, escapeText(says));
  if (!savingIsKnown(cell)) return [small(ours == null ? theirs : own)];
  const times = saving === null ? '' : `${saving.toFixed(1)}x`;
  return [element('b', {}, times === '' ? (ours == null ? 'baseline only' : 'only ours') : times), small(`${own}, ${theirs}`)];
}

function spikeTable({ spike, strategies, samples }: Comparison): Markup {
  const rows = spike.map(({ strategy, accuracy, p95Ms, devices, settings, meetsGoal }) => {
    const report = strategies[strategy];
    // A sample that is answered again says nothing new.
    const answered = Math.min(report?.completed ?? 0, samples);
    const { low, high } = wilson(accuracy * answered, answered);
    const attained = report?.sloAttainment;
    return [
      element('td', {}, LOOKS[strategy].label),
      number(deviceNumber(devices)),
      number(`${percent(accuracy)} (${interval([low, high])})`),
      number(milliseconds(p95Ms)),
      element('td', {}, meetsGoal ? 'met' : 'missed'),
      number(attained == null ? '-' : percent(attained, 1)),
      element('td', { class: 'small' }, escapeText(settingsText(settings))),
    ];
  });
  return table(
    [
      'strategy',
      'devices',
      `accuracy (95 % interval for ${samples} samples)`,
      'p95',
      'SLO over the load',
      'seconds within it',
      'settings',
    ],
    rows,
  );
}

function planningPart({ planning }: Comparison): Markup[] {
  return [
    heading('Time to plan (Fig. 11)'),
    paragraph('Wall-clock time on the machine that made this page, for one plan.'),
    table(
      ['ranges of load', 'devices', 'p95 planned for', 'seconds'],
      planning.map(({ ranges, devices, p95Ms, seconds }) =>
        [ranges, devices, milliseconds(p95Ms), seconds.toFixed(1)].map(number),
      ),
    ),
  ];
}
