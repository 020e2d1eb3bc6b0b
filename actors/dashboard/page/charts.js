import uPlot from '/uPlot.esm.js';

/** Distinct to most eyes, on light and dark backgrounds (after Okabe and Ito). */
const COLORS = ['#3a9bd9', '#e69f00', '#009e73', '#d55e00', '#cc79a7', '#8b6cf0', '#7f8b9a', '#b0a000'];
const HEIGHT = 210;

export function colorOf(index) {
  return COLORS[index % COLORS.length];
}

export function clockTime(at) {
  return new Date(at).toLocaleTimeString([], { hour12: false });
}

function theme(name) {
  // Browsers resolve light-dark() only for an element's own colour.
  const probe = document.createElement('i');
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function axes(format, whole) {
  const ink = theme('--faint');
  const grid = { stroke: theme('--line'), width: 1 };
  const common = { stroke: ink, grid, ticks: grid, font: '11px system-ui, sans-serif' };
  return [
    { ...common, size: 30, space: 74, values: (_, seconds) => seconds.map((second) => clockTime(1_000 * second)) },
    {
      ...common,
      size: 52,
      ...(whole ? { incrs: [1, 2, 5, 10, 50, 100] } : {}),
      space: 34,
      values: (_, values) => values.map((value) => (value === null ? '' : format(value))),
    },
  ];
}

/**
 * A chart over time that resizes with its frame, and is recreated when its lines or the theme change.
 * @param options.format of values; options.max(values) the top of the scale; options.draw(plot) draws behind the lines.
 */
export class Chart {
  #element;
  #options;
  #plot;
  #shape = '';

  constructor(id, options) {
    this.#element = document.getElementById(id);
    this.#options = options;
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(this.#element);
  }

  /** @param series [{ label, color, values, fill?, dash?, stepped?, shown? }] */
  show(times, series) {
    const data = [times, ...series.map(({ values }) => values)];
    const shape = JSON.stringify([series.map(({ label }) => label), theme('--ink')]);
    if (shape !== this.#shape) {
      this.#plot?.destroy();
      this.#plot = new uPlot(this.#config(series), data, this.#element);
      this.#shape = shape;
      return;
    }
    this.#plot.setData(data);
  }

  #size() {
    return { width: Math.max(200, this.#element.clientWidth), height: HEIGHT };
  }

  #config(series) {
    const { format, max, draw, bands, right = 16, whole = false } = this.#options;
    return {
      ...this.#size(),
      scales: { y: { range: (_plot, _low, high) => [0, Math.max(max ?? 0, high ?? 0) * 1.06 || 1] } },
      axes: axes(format, whole),
      padding: [10, right, 0, 0],
      bands: bands?.(series.length),
      cursor: { drag: { x: false, y: false } },
      hooks: { drawClear: draw === undefined ? [] : [(plot) => draw(plot, theme)] },
      series: [
        { label: 'time', value: (plot, second) => clockTime(1_000 * (second ?? plot.data[0].at(-1) ?? 0)) },
        ...series.map(({ label, color, fill, dash, stepped, shown }) => ({
          label,
          stroke: color,
          width: dash === undefined ? 1.6 : 1.2,
          fill,
          dash,
          points: { show: false },
          paths: stepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
          // The last second, while the pointer is elsewhere.
          value: (plot, _value, line, index) => {
            const at = index ?? plot.data[0].length - 1;
            const real = shown === undefined ? plot.data[line][at] : shown(at);
            return real === null || real === undefined ? '–' : format(real);
          },
        })),
      ],
    };
  }
}
