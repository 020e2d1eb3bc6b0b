import { type Area, area, chart, LETTER, legend, whisker, xAxis, yAxis } from './chart.ts';
import { ACCENT, FAINT, INK } from './colors.ts';
import type { ExplainedPoint, Explanation } from './explanation.ts';
import { gearNames, interval, percent, plain } from './format.ts';
import { linearScale, logScale } from './scale.ts';
import { type Attributes, element, type Markup, polyline, text, tooltip } from './svg.ts';

/** If costs differ by more than this factor, a linear axis would crowd the cheap cascades into a corner. */
const LOG_FROM = 15;

/** The cascades that are not dominated in accuracy and work, and the gears that run them. */
export function frontierChart(explanation: Explanation, width: number): Markup {
  const { frontier } = explanation;
  const plot = area(width, 340);
  const work = frontier.map(({ computeMs }) => computeMs);
  const [least, most] = [Math.min(...work), Math.max(...work)];
  const pixels = [plot.left, plot.right] as const;
  const x = most / least > LOG_FROM ? logScale(least, most, pixels) : linearScale(0, most, pixels, 8);
  const accuracies = frontier.flatMap(({ accuracy, accuracyInterval, gears }) =>
    gears.length > 0 ? accuracyInterval : [accuracy],
  );
  const y = linearScale(Math.min(...accuracies), Math.max(...accuracies), [plot.bottom, plot.top], 6);
  const place = ({ computeMs, accuracy }: ExplainedPoint): readonly [number, number] => [x.at(computeMs), y.at(accuracy)];

  const points = frontier.map((point) => {
    const [cx, cy] = place(point);
    const run = point.gears.length === 0 ? 'run by no gear' : `run by ${gearNames(point.gears)}`;
    const says = `${point.cascade}: ${percent(point.accuracy)} (95 % interval ${interval(point.accuracyInterval)}), ${plain(point.computeMs, 3)} ms per request; ${run}`;
    return element('circle', { cx, cy, 'stroke-width': 1.5, ...look(point) }, tooltip(says));
  });
  return chart(
    plot,
    'Accuracy over compute: the Pareto frontier of the cascades',
    xAxis(plot, { scale: x, label: 'device time per request (ms)', format: (ms) => plain(ms, 3) }),
    yAxis(plot, { scale: y, label: 'expected accuracy (%)', format: (value) => plain(100 * value) }),
    polyline(frontier.map(place), { stroke: FAINT, 'stroke-width': 1 }),
    ...frontier.flatMap(({ computeMs, accuracyInterval: [low, high], gears }) =>
      gears.length > 0 ? [whisker(x.at(computeMs), y.at(low), y.at(high), INK)] : [],
    ),
    ...labels(frontier, place, plot),
    // Those that gears run are drawn on top.
    ...points.filter((_, i) => frontier[i].gears.length === 0),
    ...points.filter((_, i) => frontier[i].gears.length > 0),
    legend(plot, [
      { label: 'cascade that a gear runs', color: ACCENT, shape: 'dot' },
      { label: 'other cascade on the frontier', color: FAINT, shape: 'ring' },
      { label: 'one model alone', color: INK, shape: 'dot' },
      { label: '95 % interval', color: INK, shape: 'whisker' },
    ]),
  );
}

function look({ gears, alone }: ExplainedPoint): Attributes {
  if (gears.length > 0) return { r: 6, fill: ACCENT };
  return alone === null ? { r: 3.5, fill: '#fff', stroke: FAINT } : { r: 4.5, fill: INK };
}

interface Box {
  readonly x0: number;
  readonly x1: number;
  readonly y0: number;
  readonly y1: number;
}

const LABEL_HEIGHT = 13;
/** Distances of a label below or above its point, in pixels. */
const DISTANCES = [16, -16, 34, -34, 52, -52, 70, -70, 88, 106, 124];

/** Names near the points, each connected to its point by a line, as far as there is room. */
function labels(
  frontier: readonly ExplainedPoint[],
  place: (point: ExplainedPoint) => readonly [number, number],
  { left, right, top, bottom }: Area,
): Markup[] {
  const taken = frontier.map((point): Box => {
    const [x, y] = place(point);
    return { x0: x - 6, x1: x + 6, y0: y - 6, y1: y + 6 };
  });
  const written: Markup[] = [];
  // Gears come before models, because the page is about gears.
  const named = frontier.toSorted((a, b) => Math.sign(b.gears.length) - Math.sign(a.gears.length));
  for (const point of named) {
    const { gears, alone } = point;
    const label = [gears.length === 0 ? [] : [gearNames(gears)], alone === null ? [] : [`${alone} alone`]].flat().join(', ');
    if (label === '') continue;
    const [x, y] = place(point);
    const length = label.length * LETTER;
    const x0 = Math.min(Math.max(x - length / 2, left + 4), right - length);
    const spot = DISTANCES.map((distance): Box => {
      const y0 = distance > 0 ? y + distance - 6 : y + distance - LABEL_HEIGHT + 6;
      return { x0, x1: x0 + length, y0, y1: y0 + LABEL_HEIGHT };
    }).find((s) => s.y0 > top && s.y1 < bottom - 2 && taken.every((t) => !overlap(s, t)));
    if (spot === undefined) continue;
    taken.push(spot);
    const end = spot.y0 > y ? spot.y0 : spot.y1;
    written.push(
      element('line', { x1: x, y1: y, x2: x, y2: end, stroke: FAINT, 'stroke-width': 0.8 }),
      text(spot.x0, spot.y1 - 2, label, { class: gears.length === 0 ? 'mark' : 'mark used' }),
    );
  }
  return written;
}

function overlap(a: Box, b: Box): boolean {
  return a.x0 < b.x1 && a.x1 > b.x0 && a.y0 < b.y1 && a.y1 > b.y0;
}
