import { scaleLog } from 'd3-scale';
import type { Area } from './chart.ts';
import { FAINT } from './colors.ts';
import type { Explanation } from './explanation.ts';
import { exactScale, logScale, type Scale } from './scale.ts';
import { element, type Markup, text, tooltip } from './svg.ts';

/** Share of the width for the promised loads when there are gears beyond them, because a plan is judged by its promises. */
const PROMISED_SHARE = 0.72;
/** Pixels between two ticks beyond the promise, so that their figures fit. */
const TICK_ROOM = 44;

/**
 * Loads from 0 to the highest with a gear: linear up to the highest promised load and logarithmic above, because best effort may carry
 * many times as much.
 */
export function loadScale({ gears, beyond }: Explanation, { left, right }: Area): Scale {
  const promised = gears[gears.length - 1].qps[1];
  const top = beyond.at(-1)?.qps[1];
  if (top === undefined) return exactScale(0, promised, [left, right]);
  const border = left + PROMISED_SHARE * (right - left);
  const even = exactScale(0, promised, [left, border], 6);
  const above = scaleLog([promised, top], [border, right]);
  const at = (qps: number): number => (qps <= promised ? even.at(qps) : above(qps));
  const ticks = [...even.ticks];
  for (const tick of logScale(promised, top, [border, right]).ticks) {
    const before = Math.max(border, at(ticks[ticks.length - 1]));
    if (tick <= top && at(tick) >= before + TICK_ROOM) ticks.push(tick);
  }
  return { domain: [0, top], ticks, at };
}

/** Background beyond the promise; empty if there is nothing. */
export function beyondBackground({ gears, beyond }: Explanation, { top, bottom, right }: Area, x: Scale): Markup {
  if (beyond.length === 0) return '';
  const border = x.at(gears[gears.length - 1].qps[1]);
  const says = tooltip('best effort: gears for loads above the highest that was planned for; no SLO is promised');
  return [
    element('rect', { x: border, width: right - border, y: top, height: bottom - top, fill: '#f2f4f7' }, says),
    element('line', {
      x1: border,
      x2: border,
      y1: top,
      y2: bottom,
      stroke: FAINT,
      'stroke-width': 1.5,
      'stroke-dasharray': '2 3',
    }),
  ].join('');
}

/** Label for that area, drawn last so that it is readable. */
export function beyondLabel({ gears, beyond }: Explanation, { top, right }: Area, x: Scale): Markup {
  if (beyond.length === 0) return '';
  const middle = (x.at(gears[gears.length - 1].qps[1]) + right) / 2;
  const at = { 'text-anchor': 'middle', class: 'tick' };
  return text(middle, top + 22, 'best effort,', at) + text(middle, top + 35, 'no SLO promised', at);
}
