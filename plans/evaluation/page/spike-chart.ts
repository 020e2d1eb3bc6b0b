import { area, chart, xAxis, yAxis } from '../../explain/chart.ts';
import { INK, LIMIT } from '../../explain/colors.ts';
import { plain } from '../../explain/format.ts';
import { exactScale, extentOf, linearScale, logScale } from '../../explain/scale.ts';
import { element, type Markup, polyline, text } from '../../explain/svg.ts';
import type { SecondWindow } from '../../report/report-builder.ts';
import type { StrategyName } from '../strategies/names.ts';
import { LOOKS, mark, strategyLegend } from './look.ts';

const HEIGHT = 190;
/** Marks along a line, so that it can be recognised in black and white. */
const MARKS = 8;
/** Seconds whose accuracies are averaged, because single seconds are noisy. */
const SMOOTHED = 5;

/** A strategy through a load, second by second. */
interface Through {
  readonly strategy: StrategyName;
  readonly seconds: readonly SecondWindow[];
}

export interface SpikeCharts {
  readonly spike: readonly Through[];
  /** Length of the load. */
  readonly seconds: number;
  /** Undefined under an accuracy SLO. */
  readonly sloMs: number | undefined;
}

/** Load, latency and accuracy, second by second, one chart below the other (CascadeServe Fig. 8, 9). */
export function spikeCharts({ spike: given, seconds, sloMs }: SpikeCharts, width: number): Markup[] {
  // Nothing happens in seconds without requests; some lists leave them out.
  const spike = given.map((through) => ({ ...through, seconds: through.seconds.filter(({ offered }) => offered > 0) }));
  const load = new Array<number>(seconds).fill(0);
  for (const { second, offered } of spike[0]?.seconds ?? []) load[second] = offered;
  const plot = area(width, HEIGHT, { top: 26 });
  const x = exactScale(0, seconds, [plot.left, plot.right]);
  const xOf = xAxis(plot, { scale: x, label: 'time (s)', format: plain });
  const offered = linearScale(0, Math.max(1, extentOf(load)[1]), [plot.bottom, plot.top], 4);
  const loadLine = polyline(
    load.map((requests, second) => [x.at(second + 0.5), offered.at(requests)]),
    { stroke: INK, 'stroke-width': 1.5 },
  );
  const latencies = spike.flatMap((through) => through.seconds.flatMap(({ p95Ms }) => (p95Ms === null ? [] : [p95Ms])));
  const unanswered = spike.some((through) => through.seconds.some(({ p95Ms }) => p95Ms === null));
  const limits = sloMs === undefined ? [] : [sloMs];
  const ms = logScale(...extentOf([...latencies, ...limits]), [plot.bottom, plot.top]);
  const limit = limits.map((value) =>
    [
      element('line', {
        x1: plot.left,
        x2: plot.right,
        y1: ms.at(value),
        y2: ms.at(value),
        stroke: LIMIT,
        'stroke-dasharray': '6 3',
      }),
      text(plot.right - 4, ms.at(value) - 4, `SLO ${plain(value)} ms`, { 'text-anchor': 'end', class: 'mark' }),
    ].join(''),
  );
  const smoothed = spike.map((point) => ({ ...point, seconds: smooth(point.seconds) }));
  const accuracies = smoothed.flatMap((through) =>
    through.seconds.flatMap(({ accuracy }) => (accuracy === null ? [] : [accuracy])),
  );
  const quality = linearScale(...extentOf(accuracies), [plot.bottom, plot.top], 4);
  const legend = strategyLegend(
    spike.map(({ strategy }) => strategy),
    plot.left,
    12,
  );
  return [
    chart(plot, 'Requests in each second', xOf, yAxis(plot, { scale: offered, label: 'requests/s', format: plain }), loadLine),
    chart(
      plot,
      'p95 latency of the requests of each second',
      xOf,
      yAxis(plot, { scale: ms, label: 'p95 (ms)', format: plain }),
      ...lines(spike, x.at, ({ p95Ms }) => (p95Ms === null ? plot.top : ms.at(p95Ms))),
      ...limit,
      ...(unanswered ? [text(plot.right - 4, 16, 'upper edge: too few answers', { 'text-anchor': 'end', class: 'mark' })] : []),
      legend,
    ),
    chart(
      plot,
      `Accuracy of the answers, mean of ${SMOOTHED} seconds`,
      xOf,
      yAxis(plot, { scale: quality, label: 'accuracy (%)', format: (value) => plain(100 * value) }),
      ...lines(smoothed, x.at, ({ accuracy }) => (accuracy === null ? null : quality.at(accuracy))),
      legend,
    ),
  ];
}

/** @param yAt null for a second of which nothing is known: the line is broken there. */
function lines(
  spike: readonly Through[],
  xAt: (second: number) => number,
  yAt: (window: SecondWindow) => number | null,
): Markup[] {
  return spike
    .map(({ strategy, seconds }, s) => {
      const look = LOOKS[strategy];
      const pieces: (readonly [number, number])[][] = [[]];
      for (const window of seconds) {
        const y = yAt(window);
        if (y === null) pieces.push([]);
        else pieces[pieces.length - 1].push([xAt(window.second + 0.5), y]);
      }
      const points = pieces.flat();
      const every = Math.max(1, Math.ceil(points.length / MARKS));
      const drawn = pieces
        .filter((piece) => piece.length > 0)
        .map((piece) => polyline(piece, { stroke: look.color, 'stroke-width': look.width, 'stroke-dasharray': look.dash }));
      const first = Math.round((s * every) / Math.max(1, spike.length));
      return [...drawn, ...points.flatMap(([x, y], i) => (i % every === first ? [mark(look, x, y)] : []))].join('');
    })
    .reverse();
}

/** Each second's accuracy as the mean of those around it, weighted by their answers. */
function smooth(seconds: readonly SecondWindow[]): SecondWindow[] {
  const half = Math.floor(SMOOTHED / 2);
  return seconds.map((window, i) => {
    const near = seconds.slice(Math.max(0, i - half), i + half + 1).filter(({ accuracy }) => accuracy !== null);
    const answers = near.reduce((sum, { completed }) => sum + completed, 0);
    const right = near.reduce((sum, { completed, accuracy }) => sum + completed * (accuracy ?? 0), 0);
    return { ...window, accuracy: answers === 0 ? null : right / answers };
  });
}
