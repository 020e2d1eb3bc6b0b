import { type Area, area, chart, type LegendEntry, legend, whisker, xAxis, yAxis } from './chart.ts';
import { ACCENT, FAINT, INK, LIMIT, modelColor } from './colors.ts';
import type { ExplainedGear, Explanation } from './explanation.ts';
import { milliseconds, percent, plain } from './format.ts';
import { beyondBackground, beyondLabel, loadScale } from './load-axis.ts';
import { exactScale, linearScale, type Scale } from './scale.ts';
import { element, type Markup, polyline, text, tooltip } from './svg.ts';

/** Charts over the load, with one step per gear, because a gear serves a range of loads. */

const qpsAxis = (scale: Scale) => ({ scale, label: 'load (requests/s)', format: (qps: number) => plain(qps) });

/** Which model answers: each model's share per gear or, if shares are unknown, the models of the gear. */
export function answersChart(explanation: Explanation, width: number): Markup {
  const { models } = explanation;
  const gears = [...explanation.gears, ...explanation.beyond];
  const known = gears.every(({ stages }) => stages.every(({ answers }) => answers !== null));
  const plot = area(width, 300, { top: 56 });
  const x = loadScale(explanation, plot);
  const y = exactScale(0, 1, [plot.bottom, plot.top], 5);
  const cells = gears.flatMap((gear) => {
    const [from, to] = gear.qps.map((qps) => x.at(qps));
    let below = 0;
    return gear.stages.map(({ model, answers, reach, threshold }) => {
      const share = known ? (answers ?? 0) : 1 / gear.stages.length;
      const [low, high] = [below, below + share];
      below = high;
      const what = known ? `answers ${percent(share, 1)}, sees ${percent(reach ?? 0, 1)}` : 'is one of its models';
      const goes = threshold === null ? 'last' : `passes on below certainty ${plain(threshold, 3)}`;
      return element(
        'rect',
        {
          x: from,
          width: to - from,
          y: y.at(high),
          height: y.at(low) - y.at(high),
          fill: modelColor(models, model),
          opacity: gear.bestEffort ? 0.45 : undefined,
          stroke: '#fff',
        },
        tooltip(`${named(gear)}: ${model} ${what}; ${goes}`),
      );
    });
  });
  const used = models.filter((model) => gears.some(({ stages }) => stages.some((stage) => stage.model === model)));
  const entries = used.map((model): LegendEntry => ({ label: model, color: modelColor(models, model), shape: 'box' }));
  const numbers = gears.map(({ index, qps }) =>
    text((x.at(qps[0]) + x.at(qps[1])) / 2, plot.top - 10, String(index), { 'text-anchor': 'middle', class: 'tick' }),
  );
  return chart(
    plot,
    'Share of the answers that each model gives, per gear over the load',
    xAxis(plot, qpsAxis(x)),
    yAxis(plot, {
      scale: y,
      label: known ? 'share of the answers (%)' : 'models of the gear',
      format: (share) => (known ? plain(100 * share) : ''),
    }),
    ...cells,
    beyondLabel(explanation, plot, x),
    ...numbers,
    text(plot.left - 8, plot.top - 10, 'gear', { 'text-anchor': 'end', class: 'tick' }),
    legend(plot, entries),
  );
}

/** How often loads occur: the weights of the gears in the plan. */
export function weightsChart(explanation: Explanation, width: number): Markup {
  const { gears } = explanation;
  const plot = area(width, 220, { top: 20 });
  const x = exactScale(0, gears[gears.length - 1].qps[1], [plot.left, plot.right]);
  const y = linearScale(0, Math.max(...gears.map(({ weight }) => weight)), [plot.bottom, plot.top], 4);
  const bars = gears.map((gear) => {
    const [from, to] = gear.qps.map((qps) => x.at(qps));
    return element(
      'rect',
      {
        x: from + 1,
        width: Math.max(1, to - from - 2),
        y: y.at(gear.weight),
        height: plot.bottom - y.at(gear.weight),
        fill: FAINT,
      },
      tooltip(`${range(gear)} requests/s: ${percent(gear.weight, 1)} of the time`),
    );
  });
  return chart(
    plot,
    'How often each range of loads occurs',
    xAxis(plot, qpsAxis(x)),
    yAxis(plot, { scale: y, label: 'share of time (%)', format: (weight) => plain(100 * weight) }),
    ...bars,
  );
}

export function accuracyChart(explanation: Explanation, width: number): Markup {
  const { gears, beyond, slo, expected } = explanation;
  const plot = area(width, 300);
  const limit = 'accuracy' in slo ? [slo.accuracy] : [];
  const all = [...gears, ...beyond];
  const values = [...all.flatMap(({ accuracyInterval }) => accuracyInterval), expected.accuracy, ...limit];
  const x = loadScale(explanation, plot);
  const y = linearScale(Math.min(...values), Math.max(...values), [plot.bottom, plot.top], 6);
  return chart(
    plot,
    'Expected accuracy over the load',
    beyondBackground(explanation, plot, x),
    xAxis(plot, qpsAxis(x)),
    yAxis(plot, { scale: y, label: 'accuracy (%)', format: (value) => plain(100 * value) }),
    level(plot, y, expected.accuracy, FAINT, promisedEnd(explanation, x)),
    ...limit.map((value) => level(plot, y, value, LIMIT, promisedEnd(explanation, x))),
    steps(
      explanation,
      x,
      y,
      ({ accuracy }) => accuracy,
      ACCENT,
      (value) => percent(value),
    ),
    ...all.map(({ qps, accuracyInterval: [low, high] }) => whisker(x.at((qps[0] + qps[1]) / 2), y.at(low), y.at(high), INK)),
    beyondLabel(explanation, plot, x),
    legend(plot, [
      { label: 'gear', color: ACCENT, shape: 'line' },
      { label: '95 % interval', color: INK, shape: 'whisker' },
      { label: `mean over the loads, ${percent(expected.accuracy)}`, color: FAINT, shape: 'dash' },
      ...limit.map((value): LegendEntry => ({ label: `SLO ${percent(value)}`, color: LIMIT, shape: 'dash' })),
    ]),
  );
}

export function latencyChart(explanation: Explanation, width: number): Markup {
  const { gears, beyond, slo } = explanation;
  const plot = area(width, 300);
  const limit = 'p95' in slo ? [slo.p95] : [];
  const x = loadScale(explanation, plot);
  const y = linearScale(
    0,
    Math.max(...[...gears, ...beyond].map(({ latencyMs }) => latencyMs.p99), ...limit),
    [plot.bottom, plot.top],
    6,
  );
  const line = (of: 'p50' | 'p95' | 'p99', color: string): Markup =>
    steps(
      explanation,
      x,
      y,
      ({ latencyMs }) => latencyMs[of],
      color,
      (ms) => `${of} ${milliseconds(ms)}`,
    );
  return chart(
    plot,
    'Expected latency over the load',
    beyondBackground(explanation, plot, x),
    xAxis(plot, qpsAxis(x)),
    yAxis(plot, { scale: y, label: 'latency at the top of the range (ms)', format: (ms) => plain(ms) }),
    ...limit.map((ms) => level(plot, y, ms, LIMIT, promisedEnd(explanation, x))),
    line('p50', '#9cc9ec'),
    line('p99', FAINT),
    line('p95', ACCENT),
    beyondLabel(explanation, plot, x),
    legend(plot, [
      { label: 'p50', color: '#9cc9ec', shape: 'line' },
      { label: 'p95', color: ACCENT, shape: 'line' },
      { label: 'p99', color: FAINT, shape: 'line' },
      ...limit.map((ms): LegendEntry => ({ label: `SLO: p95 of ${milliseconds(ms)}`, color: LIMIT, shape: 'dash' })),
    ]),
  );
}

/** Charts about the promised loads end here. */
function promisedEnd({ gears }: Explanation, x: Scale): number {
  return x.at(gears[gears.length - 1].qps[1]);
}

function level({ left }: Area, y: Scale, value: number, stroke: string, right: number): Markup {
  const at = y.at(value);
  return element('line', { x1: left, x2: right, y1: at, y2: at, stroke, 'stroke-width': 2, 'stroke-dasharray': '6 4' });
}

/** One horizontal segment per gear, connected, dashed beyond the promise; each has a tooltip with its value. */
function steps(
  { gears, beyond }: Explanation,
  x: Scale,
  y: Scale,
  of: (gear: ExplainedGear) => number,
  stroke: string,
  format: (value: number) => string,
): Markup {
  const line = (shown: readonly ExplainedGear[], dash?: string): Markup => {
    const points = shown.flatMap((gear) => gear.qps.map((qps): [number, number] => [x.at(qps), y.at(of(gear))]));
    return polyline(points, { stroke, 'stroke-width': 2.5, 'stroke-linejoin': 'round', 'stroke-dasharray': dash });
  };
  const hovers = [...gears, ...beyond].map((gear) => {
    const [from, to] = gear.qps.map((qps) => x.at(qps));
    const at = y.at(of(gear));
    const says = tooltip(`${named(gear)}: ${format(of(gear))}`);
    return element('rect', { x: from, width: to - from, y: at - 5, height: 10, fill: 'transparent' }, says);
  });
  return line(gears) + (beyond.length === 0 ? '' : line(beyond, '5 4')) + hovers.join('');
}

function named(gear: ExplainedGear): string {
  return `gear ${gear.index}${gear.bestEffort ? ' (best effort)' : ''}, ${range(gear)} requests/s`;
}

function range({ qps: [from, to] }: ExplainedGear): string {
  return `${plain(from)}-${plain(to)}`;
}
