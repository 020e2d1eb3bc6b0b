import type { Scale } from './scale.ts';
import { element, escapeText, type Markup, text } from './svg.ts';

/** A plot with axes: the pixel area that scales map to, and its surroundings. */
export interface Area {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

export interface Axis {
  readonly scale: Scale;
  /** Quantity and unit. */
  readonly label: string;
  readonly format: (value: number) => string;
}

export interface LegendEntry {
  readonly label: string;
  readonly color: string;
  readonly shape: 'line' | 'dash' | 'box' | 'dot' | 'ring' | 'whisker';
}

const MARGIN = { left: 64, right: 18, top: 34, bottom: 46 };
const GRID = '#e4e7ec';
const AXIS = '#667085';
/** Approximate letter width in pixels at the charts' font size, for placing legends without measuring. */
export const LETTER = 7;

export function area(width: number, height: number, margin: Partial<typeof MARGIN> = {}): Area {
  const { left, right, top, bottom } = { ...MARGIN, ...margin };
  return { width, height, left, right: width - right, top, bottom: height - bottom };
}

/** The chart as one element; `describes` is its text alternative. */
export function chart({ width, height }: Area, describes: string, ...content: readonly Markup[]): Markup {
  const attributes = { viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': describes };
  return element('svg', attributes, element('title', {}, escapeText(describes)), ...content);
}

export function xAxis({ left, right, top, bottom, height }: Area, { scale, label, format }: Axis): Markup {
  return [
    ...scale.ticks.flatMap((tick) => {
      const x = scale.at(tick);
      return [
        element('line', { x1: x, x2: x, y1: top, y2: bottom, stroke: GRID }),
        element('line', { x1: x, x2: x, y1: bottom, y2: bottom + 4, stroke: AXIS }),
        text(x, bottom + 17, format(tick), { 'text-anchor': 'middle', class: 'tick' }),
      ];
    }),
    element('line', { x1: left, x2: right, y1: bottom, y2: bottom, stroke: AXIS }),
    text((left + right) / 2, height - 8, label, { 'text-anchor': 'middle', class: 'label' }),
  ].join('');
}

export function yAxis({ left, right, top, bottom }: Area, { scale, label, format }: Axis): Markup {
  const middle = (top + bottom) / 2;
  return [
    ...scale.ticks.flatMap((tick) => {
      const y = scale.at(tick);
      return [
        element('line', { x1: left, x2: right, y1: y, y2: y, stroke: GRID }),
        text(left - 8, y + 4, format(tick), { 'text-anchor': 'end', class: 'tick' }),
      ];
    }),
    element('line', { x1: left, x2: left, y1: top, y2: bottom, stroke: AXIS }),
    text(14, middle, label, { 'text-anchor': 'middle', class: 'label', transform: `rotate(-90 14 ${middle})` }),
  ].join('');
}

/** Entries side by side above the plot. */
export function legend({ left, right }: Area, entries: readonly LegendEntry[]): Markup {
  let x = left;
  let y = 14;
  const parts: Markup[] = [];
  for (const { label, color, shape } of entries) {
    const width = 34 + label.length * LETTER;
    if (x + width > right && x > left) {
      x = left;
      y += 16;
    }
    parts.push(symbol(shape, color, x, y), text(x + 24, y + 4, label, { class: 'legend' }));
    x += width;
  }
  return parts.join('');
}

/** Half the length of a whisker's caps, in pixels. */
const CAP = 4;

/** An interval around a point: a vertical line with caps, so that it can be recognised without colour. */
export function whisker(x: number, low: number, high: number, stroke: string): Markup {
  const line = (x1: number, y1: number, x2: number, y2: number): Markup =>
    element('line', { x1, y1, x2, y2, stroke, 'stroke-width': 1.2 });
  return line(x, low, x, high) + [low, high].map((y) => line(x - CAP, y, x + CAP, y)).join('');
}

function symbol(shape: LegendEntry['shape'], color: string, x: number, y: number): Markup {
  switch (shape) {
    case 'box':
      return element('rect', { x: x + 4, y: y - 5, width: 12, height: 10, rx: 2, fill: color });
    case 'whisker':
      return whisker(x + 10, y + 6, y - 6, color);
    case 'dot':
      return element('circle', { cx: x + 10, cy: y, r: 5, fill: color });
    case 'ring':
      return element('circle', { cx: x + 10, cy: y, r: 3.5, fill: '#fff', stroke: color, 'stroke-width': 1.5 });
    default:
      return element('line', {
        x1: x,
        x2: x + 19,
        y1: y,
        y2: y,
        stroke: color,
        'stroke-width': 2.5,
        'stroke-dasharray': shape === 'dash' ? '5 4' : undefined,
      });
  }
}
