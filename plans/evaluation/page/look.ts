import { ACCENT, FAINT, INK } from '../../explain/colors.ts';
import { element, type Markup } from '../../explain/svg.ts';
import type { StrategyName } from '../strategies/names.ts';

type Shape = 'disc' | 'square' | 'triangle' | 'diamond' | 'ring' | 'cross';

/** How a strategy is drawn. Marks and dashes differ, so the plots can be read in black and white. */
export interface Look {
  readonly label: string;
  readonly color: string;
  readonly dash: string | undefined;
  readonly width: number;
  readonly shape: Shape;
}

export const LOOKS: Readonly<Record<StrategyName, Look>> = {
  cascade: { label: 'CascadeServe', color: ACCENT, dash: undefined, width: 2.5, shape: 'disc' },
  dynba: { label: 'DynBa', color: '#d55e00', dash: '8 4', width: 1.5, shape: 'square' },
  ms: { label: 'MS+', color: '#009e73', dash: '2 3', width: 1.5, shape: 'triangle' },
  cocktail: { label: 'Cocktail+', color: '#7a5195', dash: '10 3 2 3', width: 1.5, shape: 'diamond' },
  'no-switching': { label: 'no switching', color: INK, dash: '5 3', width: 1.2, shape: 'ring' },
  'no-cascade': { label: 'no cascade', color: FAINT, dash: '1 2', width: 1.5, shape: 'cross' },
};

export function mark({ shape, color }: Look, x: number, y: number): Markup {
  const line = { stroke: color, 'stroke-width': 1.6, fill: 'none' };
  switch (shape) {
    case 'disc':
      return element('circle', { cx: x, cy: y, r: 4.5, fill: color });
    case 'ring':
      return element('circle', { cx: x, cy: y, r: 3.8, fill: '#fff', stroke: color, 'stroke-width': 1.6 });
    case 'square':
      return element('rect', { x: x - 4, y: y - 4, width: 8, height: 8, fill: color });
    case 'triangle':
      return element('path', { d: `M${x} ${y - 5}L${x + 5} ${y + 4}L${x - 5} ${y + 4}Z`, fill: color });
    case 'diamond':
      return element('path', { d: `M${x} ${y - 5.5}L${x + 5.5} ${y}L${x} ${y + 5.5}L${x - 5.5} ${y}Z`, ...line, fill: '#fff' });
    case 'cross':
      return element('path', { d: `M${x - 4} ${y - 4}L${x + 4} ${y + 4}M${x - 4} ${y + 4}L${x + 4} ${y - 4}`, ...line });
  }
}

/** Width of the widest label with its mark and spacing: see `strategyLegend`. */
const ENTRY = 128;

/** Entries side by side, each a short line with its mark. */
export function strategyLegend(strategies: readonly StrategyName[], left: number, y: number): Markup {
  return strategies
    .map((name, i) => {
      const look = LOOKS[name];
      const x = left + i * ENTRY;
      return [
        element('line', {
          x1: x,
          x2: x + 26,
          y1: y,
          y2: y,
          stroke: look.color,
          'stroke-width': look.width,
          'stroke-dasharray': look.dash,
        }),
        mark(look, x + 13, y),
        element('text', { x: x + 32, y: y + 4, class: 'legend' }, look.label),
      ].join('');
    })
    .join('');
}
