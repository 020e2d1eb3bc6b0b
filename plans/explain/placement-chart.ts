import { area, chart, LETTER } from './chart.ts';
import { heatColor, INK, modelColor } from './colors.ts';
import type { Explanation } from './explanation.ts';
import { percent } from './format.ts';
import { element, type Markup, text, tooltip } from './svg.ts';

const ROW = 24;
const REPLICA = 26;
/** A cell at least this wide holds its figure. */
const READABLE = 30;
const MOST_NAME = 14;

/** One row per device: its models, and its utilisation in each gear. */
export function placementChart({ devices, gears: promised, beyond, models }: Explanation, width: number): Markup {
  const gears = [...promised, ...beyond];
  const longest = Math.max(6, ...devices.map(({ device }) => Math.min(MOST_NAME, device.length)));
  const names = longest * LETTER + 14;
  const held = models.filter((model) => devices.some((device) => device.models.includes(model)));
  const cellsAt = names + held.length * REPLICA + 70;
  const plot = area(width, 88 + devices.length * ROW, { left: cellsAt, top: 62, right: 10, bottom: 26 });
  const cell = (plot.right - plot.left) / gears.length;

  const rows = devices.flatMap(({ device, models: here, beyondOnly }, row) => {
    const y = plot.top + row * ROW;
    const label = device.length > MOST_NAME ? `${device.slice(0, MOST_NAME - 1)}…` : device;
    return [
      text(names - 8, y + 16, label, { 'text-anchor': 'end', class: 'mark' }),
      ...held.map((model, m) => {
        const has = here.includes(model);
        const forCrowds = beyondOnly.includes(model);
        const color = modelColor(models, model);
        const fill = !has
          ? { fill: 'none', stroke: '#e4e7ec' }
          : forCrowds
            ? { fill: 'none', stroke: color, 'stroke-width': 2, 'stroke-dasharray': '3 2' }
            : { fill: color };
        const says = tooltip(
          `${device} ${has ? 'holds' : 'does not hold'} ${model}${forCrowds ? ', for crowds beyond the plan alone' : ''}`,
        );
        return element(
          'rect',
          { x: names + m * REPLICA + 3, y: y + 4, width: REPLICA - 8, height: ROW - 8, rx: 3, ...fill },
          says,
        );
      }),
      ...gears.flatMap((gear, g) => {
        const used = gear.utilisation[device] ?? 0;
        const x = plot.left + g * cell;
        const says = tooltip(
          `${device} in gear ${gear.index}${gear.bestEffort ? ' (best effort)' : ''}: ${percent(used, 1)} at the top of its range`,
        );
        const dark = used > 0.8 || (used > 0.22 && used < 0.45);
        return [
          element('rect', { x, y: y + 1, width: cell - 1, height: ROW - 2, fill: heatColor(used) }, says),
          cell < READABLE
            ? ''
            : text(x + cell / 2, y + 16, (100 * used).toFixed(0), {
                'text-anchor': 'middle',
                class: 'cell',
                fill: dark ? '#fff' : INK,
              }),
        ];
      }),
    ];
  });
  const heads = held.map((model, m) => {
    const [x, y] = [names + m * REPLICA + 14, plot.top - 6];
    return text(x, y, model.slice(0, 11), { class: 'tick', transform: `rotate(-38 ${x} ${y})` });
  });
  const every = Math.ceil(22 / cell);
  const numbers = gears.flatMap(({ index }, g) =>
    g % every === 0
      ? [text(plot.left + (g + 0.5) * cell, plot.top - 6, String(index), { 'text-anchor': 'middle', class: 'tick' })]
      : [],
  );
  const at = plot.left + promised.length * cell - 0.5;
  const border =
    beyond.length === 0
      ? []
      : [
          element('line', { x1: at, x2: at, y1: plot.top - 20, y2: plot.bottom, stroke: INK, 'stroke-width': 1.5 }),
          text(at + 4, plot.top - 22, 'best effort', { class: 'tick' }),
        ];
  const scale = Array.from({ length: 20 }, (_, i) =>
    element('rect', { x: plot.left + i * 8, y: 8, width: 8, height: 10, fill: heatColor(i / 19) }),
  );
  return chart(
    plot,
    'Models on each device, and how full each device is in each gear',
    ...scale,
    text(plot.left + 168, 17, '0 to 100 % of what the device can carry, at the top of the gear’s range', { class: 'legend' }),
    text(plot.left - 6, plot.top - 6, 'gear', { 'text-anchor': 'end', class: 'tick' }),
    ...heads,
    ...numbers,
    ...rows,
    ...border,
    text((plot.left + plot.right) / 2, plot.bottom + 18, 'utilisation in each gear (%)', {
      'text-anchor': 'middle',
      class: 'label',
    }),
    text(names + (held.length * REPLICA) / 2, plot.bottom + 18, 'replicas', { 'text-anchor': 'middle', class: 'label' }),
  );
}
