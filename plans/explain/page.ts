import type { ExplainedGear, Explanation } from './explanation.ts';
import { counted, describeSlo, interval, milliseconds, percent, plain } from './format.ts';
import { frontierChart } from './frontier-chart.ts';
import { accuracyChart, answersChart, latencyChart, weightsChart } from './gears-charts.ts';
import { placementChart } from './placement-chart.ts';
import { element, escapeText, type Markup } from './svg.ts';
import { beyondSentence, LOSS_COLUMNS, lengths, oneOf } from './tables.ts';

/** Pixels; the page fits a window of 1,100. */
const WIDE = 1_040;
const HALF = 510;

const STYLE = `
:root { color-scheme: light; }
body { margin: 0; background: #f5f6f8; color: #1d2939; font: 15px/1.5 system-ui, sans-serif; }
main { max-width: ${WIDE}px; margin: 0 auto; padding: 24px 20px 60px; }
h1 { font-size: 26px; margin: 0 0 4px; }
h2 { font-size: 18px; margin: 34px 0 4px; }
p { margin: 4px 0 10px; max-width: 860px; }
.made { background: #fff3d6; border: 1px solid #e6a700; border-radius: 6px; padding: 6px 12px; display: inline-block; }
.figures { display: grid; grid-template-columns: repeat(6, 1fr); gap: 12px; margin: 16px 0 6px; }
.figure { background: #fff; border: 1px solid #e4e7ec; border-radius: 8px; padding: 10px 12px; }
.figure b { display: block; font-size: 20px; }
.figure span { display: block; color: #667085; font-size: 13px; line-height: 1.3; }
.plot { background: #fff; border: 1px solid #e4e7ec; border-radius: 8px; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 18px; }
svg { display: block; height: auto; font-family: system-ui, sans-serif; max-width: 100%; }
.tick { font-size: 11px; fill: #667085; }
.label { font-size: 12px; fill: #344054; }
.legend, .mark { font-size: 12px; fill: #344054; }
.used { font-weight: 600; fill: #0072b2; }
.cell { font-size: 11px; }
table { border-collapse: collapse; background: #fff; border: 1px solid #e4e7ec; width: 100%; font-size: 13px; }
th { text-align: left; font-weight: 600; background: #f9fafb; }
th, td { padding: 5px 8px; border-bottom: 1px solid #eef0f3; vertical-align: top; }
td.n, th.n { text-align: right; white-space: nowrap; }
tr.beyond { background: #f2f4f7; }
.why { color: #475467; }
.binds { font-weight: 600; color: #1d2939; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 14px; margin: 6px 0; }
dt { font-weight: 600; } dd { margin: 0; }
`;

/** The plan as a self-contained page: no script, no font, no request. */
export function explanationPage(explanation: Explanation): string {
  const { deployment, synthetic } = explanation;
  const title = `Gear plan of ${deployment}`;
  const head = [
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width">',
    element('title', {}, escapeText(title)),
    `<style>${STYLE}</style>`,
  ];
  const body = [
    element('h1', {}, escapeText(title)),
    synthetic ? element('p', { class: 'made' }, 'Synthetic: the models’ runtimes or answers are made up, not measured.') : '',
    paragraph(`Promise: ${describeSlo(explanation.slo)} at every load up to ${plain(topQps(explanation))} requests/s.`),
    ...explanation.beyond.slice(-1).map(({ qps }) => paragraph(`${capitalised(beyondSentence(qps[1]))}.`)),
    figures(explanation),
    words(),
    ...(explanation.frontier.length === 0 ? [] : frontierSection(explanation)),
    ...section(
      'Which gear serves which load',
      'One gear per range of load. Its cascade asks the first model about every request; uncertain ones move on to the next model. The colours show which model gives the answer.',
      plot(answersChart(explanation, WIDE)),
    ),
    ...section(
      'What to expect',
      'Accuracy on new samples, estimated on samples that did not choose the thresholds, with its 95 % interval; latency by simulation at the highest load of each range. The mean weighs the ranges by how often they occur. Where lines are dashed, no SLO is promised: best effort.',
      element('div', { class: 'pair' }, plot(accuracyChart(explanation, HALF)), plot(latencyChart(explanation, HALF))),
    ),
    ...section(
      'Placement',
      `Replicas never move while serving, so a gear change loads nothing. A gear may leave some of them idle.${crowds(explanation)}`,
      plot(placementChart(explanation, WIDE)),
    ),
    ...(explanation.losses.length === 0 ? [] : lossSection(explanation)),
    ...section(
      'How often each load occurs',
      'The planned distribution: it weights the means above.',
      plot(weightsChart(explanation, WIDE)),
    ),
    ...section('Why each gear', 'The binding limit is what keeps a range from using a better cascade.', gearTable(explanation)),
    ...section('How it was found', 'Figures of the search.', search(explanation)),
  ];
  const page = element('html', { lang: 'en' }, element('head', {}, ...head), element('body', {}, element('main', {}, ...body)));
  return `<!doctype html>\n${page}\n`;
}

function frontierSection(explanation: Explanation): Markup[] {
  return section(
    'The cascades',
    'Each point is a cascade that no other beats: all others are less accurate or need more work. Gears use these: the higher the load, the further to the left.',
    plot(frontierChart(explanation, WIDE)),
  );
}

function lossSection({ losses }: Explanation): Markup[] {
  const heads = ['lost', ...LOSS_COLUMNS.map(([head]) => head)].map((head) => element('th', {}, escapeText(head)));
  const rows = losses.map((loss) => {
    const cells = [oneOf(loss.devices), ...LOSS_COLUMNS.map(([, cell]) => cell(loss))];
    return element('tr', {}, ...cells.map((cell) => element('td', {}, escapeText(cell))));
  });
  return section(
    'What happens when a device is lost',
    'Gears for the other devices are ready, using the replicas that they hold: the shift takes one message.',
    element('table', {}, element('thead', {}, element('tr', {}, ...heads)), element('tbody', {}, ...rows)),
  );
}

function capitalised(says: string): string {
  return says[0].toUpperCase() + says.slice(1);
}

function crowds({ devices }: Explanation): string {
  if (devices.every(({ beyondOnly }) => beyondOnly.length === 0)) return '';
  return ' Those with a dashed outline were placed in spare memory, for crowds beyond the plan: only best-effort gears use them.';
}

function topQps({ gears }: Explanation): number {
  return gears[gears.length - 1].qps[1];
}

function figures(explanation: Explanation): Markup {
  const { expected, gears, devices, models } = explanation;
  const fullest = devices.reduce((a, b) => (b.utilisation > a.utilisation ? b : a));
  const held = models.filter((model) => devices.some((device) => device.models.includes(model)));
  const cascades = new Set(gears.map(({ cascade }) => cascade)).size;
  const shown: readonly (readonly [string, string])[] = [
    [percent(expected.accuracy), `expected accuracy (${interval(expected.accuracyInterval)})`],
    [milliseconds(expected.latencyMsP95), 'expected p95, mean over the loads'],
    [milliseconds(Math.max(...gears.map(({ latencyMs }) => latencyMs.p95))), 'highest p95 of any gear'],
    [counted(gears.length, 'gear'), `with ${cascades} different cascades`],
    [`${held.length} of ${models.length}`, `models in use, on ${devices.length} ${devices.length === 1 ? 'device' : 'devices'}`],
    [percent(fullest.utilisation, 0), `fullest device: ${fullest.device} in gear ${fullest.busiestGear}`],
  ];
  const boxes = shown.map(([value, what]) =>
    element('div', { class: 'figure' }, element('b', {}, escapeText(value)), element('span', {}, escapeText(what))),
  );
  return element('div', { class: 'figures' }, ...boxes);
}

const WORDS: readonly (readonly [string, string])[] = [
  ['cascade', 'models in order, cheapest first: a certain enough answer is final, otherwise the next model is asked'],
  ['certainty', 'how sure a model is of an answer; the threshold after a model’s name says how sure it must be'],
  ['gear', 'a cascade configured for one range of load: thresholds, load shares and queue lengths'],
  ['minimum queue', 'requests that a queue collects before it starts a batch: more is more efficient, but slower'],
];

function words(): Markup {
  const entries = WORDS.flatMap(([word, means]) => [element('dt', {}, escapeText(word)), element('dd', {}, escapeText(means))]);
  return element('dl', {}, ...entries);
}

function section(title: string, says: string, content: Markup): Markup[] {
  return [element('h2', {}, escapeText(title)), paragraph(says), content];
}

function plot(svg: Markup): Markup {
  return element('div', { class: 'plot' }, svg);
}

function paragraph(says: string): Markup {
  return element('p', {}, escapeText(says));
}

const COLUMNS: readonly (readonly [head: string, cell: (gear: ExplainedGear) => string, numeric?: 'n'])[] = [
  ['gear', ({ index }) => String(index), 'n'],
  ['requests/s', ({ qps: [from, to] }) => `${plain(from)} - ${plain(to)}`, 'n'],
  ['SLO', ({ bestEffort }) => (bestEffort ? 'best effort' : 'promised')],
  ['accuracy', ({ accuracy }) => percent(accuracy), 'n'],
  ['95 % interval', ({ accuracyInterval }) => interval(accuracyInterval), 'n'],
  ['p95', ({ latencyMs }) => milliseconds(latencyMs.p95), 'n'],
  ['min queue', ({ stages }) => stages.map(lengths).join(' / '), 'n'],
  ['fullest device', ({ fullest }) => `${fullest.device} ${percent(fullest.utilisation, 0)}`, 'n'],
  ['bottleneck', ({ bottleneck }) => bottleneck],
];

/** One row per gear; neighbours with the same cascade and reason share those cells. */
function gearTable({ gears: promised, beyond }: Explanation): Markup {
  const gears = [...promised, ...beyond];
  const reasonOf = ({ why }: ExplainedGear): Markup =>
    element('span', { class: 'binds' }, why.binds === 'nothing' ? 'nothing binds' : why.binds) + escapeText(`: ${why.text}`);
  const cascadeOf = ({ cascade }: ExplainedGear): Markup => escapeText(cascade);
  const rows = gears.map((gear, g) => {
    const cells = COLUMNS.map(([, cell, kind]) => element('td', { class: kind }, escapeText(cell(gear))));
    return element(
      'tr',
      { class: gear.bestEffort ? 'beyond' : undefined },
      ...cells,
      shared(gears, g, cascadeOf),
      shared(gears, g, reasonOf, 'why'),
    );
  });
  const heads = COLUMNS.map(([head, , kind]) => element('th', { class: kind }, escapeText(head)));
  const head = element('tr', {}, ...heads, element('th', {}, 'cascade'), element('th', {}, 'why no better one'));
  return element('table', {}, element('thead', {}, head), element('tbody', {}, ...rows));
}

/** The cell of a run of gears, in the row of the first one. */
function shared(gears: readonly ExplainedGear[], g: number, of: (gear: ExplainedGear) => Markup, kind?: string): Markup {
  const content = of(gears[g]);
  if (g > 0 && of(gears[g - 1]) === content) return '';
  const next = gears.findIndex((gear, i) => i > g && of(gear) !== content);
  const rowspan = (next === -1 ? gears.length : next) - g;
  return element('td', { class: kind, rowspan: rowspan === 1 ? undefined : rowspan }, content);
}

function search({ search: found }: Explanation): Markup {
  const entries = Object.entries(found).flatMap(([name, value]) => [
    element('dt', {}, escapeText(name)),
    element('dd', {}, escapeText(String(value))),
  ]);
  return element('dl', {}, ...entries);
}
