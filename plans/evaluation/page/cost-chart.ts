import { area, chart, xAxis, yAxis } from '../../explain/chart.ts';
import { plain } from '../../explain/format.ts';
import { logScale } from '../../explain/scale.ts';
import { element, type Markup, polyline, text } from '../../explain/svg.ts';
import { type Look, mark } from './look.ts';

export interface CostChart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly width: number;
  readonly series: readonly {
    readonly label: string;
    readonly look: Look;
    readonly points: readonly (readonly [x: number, y: number])[];
  }[];
}

/** A logarithmic axis cannot show 0: it is drawn at the smallest measurable value. */
const LEAST = 1e-3;
const ENTRY = 140;

/** Costs over size on logarithmic axes: proportional growth is a straight line of slope 1. */
export function costChart({ title, xLabel, yLabel, width, series }: CostChart): Markup {
  const plot = area(width, 250, { top: 44 });
  const all = series.flatMap(({ points }) => points);
  const xs = all.map(([x]) => x);
  const ys = all.map(([, y]) => Math.max(LEAST, y));
  const x = logScale(Math.min(...xs), Math.max(...xs), [plot.left, plot.right]);
  const y = logScale(Math.min(...ys), Math.max(...ys), [plot.bottom, plot.top]);
  const steps = [...new Set(xs)].sort((a, b) => a - b);
  return chart(
    plot,
    title,
    xAxis(plot, { scale: { ...x, ticks: steps }, label: xLabel, format: plain }),
    yAxis(plot, { scale: y, label: yLabel, format: plain }),
    text(plot.left, 14, title, { class: 'big' }),
    ...series.map(({ label, look, points }, i) => {
      const at = points.map(([px, py]) => [x.at(px), y.at(Math.max(LEAST, py))] as const);
      const left = plot.left + i * ENTRY;
      const line = { stroke: look.color, 'stroke-width': look.width, 'stroke-dasharray': look.dash };
      return [
        polyline(at, line),
        ...at.map(([px, py]) => mark(look, px, py)),
        element('line', { x1: left, x2: left + 26, y1: 31, y2: 31, ...line }),
        mark(look, left + 13, 31),
        text(left + 32, 35, label, { class: 'legend' }),
      ].join('');
    }),
  );
}
