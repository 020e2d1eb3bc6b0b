import { area, chart, xAxis, yAxis } from '../../explain/chart.ts';
import { milliseconds, percent, plain } from '../../explain/format.ts';
import { linearScale, logScale } from '../../explain/scale.ts';
import { element, type Markup, polyline, text, tooltip } from '../../explain/svg.ts';
import type { Point } from '../points.ts';
import type { StrategyName } from '../strategies/names.ts';
import { LOOKS, mark, strategyLegend } from './look.ts';

export interface CurvesChart {
  /** Points of strategies that are not shown are left out. */
  readonly points: readonly Point[];
  readonly strategies: readonly StrategyName[];
  readonly given: number;
  /** Extent of the axis, so that charts next to each other can be compared. */
  readonly p95Ms: readonly [from: number, to: number];
  readonly accuracy: readonly [from: number, to: number];
  readonly width: number;
}

/** Accuracy over p95 latency on a fixed number of devices, each strategy's best settings (CascadeServe Fig. 5, 6). */
export function curvesChart({ points, strategies, given, p95Ms, accuracy, width }: CurvesChart): Markup {
  const title = `${given} ${given === 1 ? 'device' : 'devices'}`;
  const plot = area(width, 270, { top: 44 });
  const x = logScale(p95Ms[0], p95Ms[1], [plot.left, plot.right]);
  const y = linearScale(accuracy[0], accuracy[1], [plot.bottom, plot.top], 5);
  const shown = strategies.map((name) => ({
    name,
    curve: points.filter((point) => point.strategy === name && point.given === given && point.p95Ms <= x.domain[1]),
  }));
  const lines = shown.map(({ name, curve }) => {
    const { color, dash, width: stroke } = LOOKS[name];
    return polyline(
      curve.map((point) => [x.at(point.p95Ms), y.at(point.accuracy)]),
      { stroke: color, 'stroke-width': stroke, 'stroke-dasharray': dash },
    );
  });
  const marks = shown.flatMap(({ name, curve }) =>
    curve.map((point) => {
      const settings = Object.entries(point.settings).map(
        ([key, value]) => `${key} ${typeof value === 'number' ? plain(value) : value}`,
      );
      const says = `${LOOKS[name].label}: ${percent(point.accuracy)} at p95 ${milliseconds(point.p95Ms)}, ${plain(point.devices)} devices; ${settings.join(', ')}`;
      return element('g', {}, tooltip(says), mark(LOOKS[name], x.at(point.p95Ms), y.at(point.accuracy)));
    }),
  );
  const legend = strategyLegend(strategies.slice(0, 3), plot.left, 10) + strategyLegend(strategies.slice(3), plot.left, 27);
  return chart(
    plot,
    `Accuracy over latency with ${title}`,
    xAxis(plot, { scale: x, label: 'p95 latency over the load (ms)', format: (ms) => plain(ms) }),
    yAxis(plot, { scale: y, label: 'accuracy (%)', format: (value) => plain(100 * value) }),
    ...lines,
    // The cascade is drawn on top.
    ...marks.reverse(),
    legend,
    text(plot.right - 4, plot.bottom - 8, title, { 'text-anchor': 'end', class: 'big' }),
  );
}
