/** Distinct to most eyes, in print and on white (after Okabe and Ito, Color Universal Design): cool for small models, warm for large ones. */
const MODELS = ['#56b4e9', '#0072b2', '#009e73', '#e6a700', '#d55e00', '#cc79a7', '#8b5cf6', '#6b7280'];

export const INK = '#1d2939';
export const FAINT = '#98a2b3';
export const ACCENT = '#0072b2';
export const LIMIT = '#b42318';

export function modelColor(models: readonly string[], model: string): string {
  return MODELS[Math.max(0, models.indexOf(model)) % MODELS.length];
}

/** A colour from calm to busy, for a fraction from 0 to 1. */
export function heatColor(fraction: number): string {
  const stops = [
    [239, 246, 252],
    [121, 182, 224],
    [230, 167, 0],
    [180, 35, 24],
  ];
  const at = Math.min(1, Math.max(0, fraction)) * (stops.length - 1);
  const below = Math.min(stops.length - 2, Math.floor(at));
  const mixed = stops[below].map((value, i) => Math.round(value + (at - below) * (stops[below + 1][i] - value)));
  return `rgb(${mixed.join(',')})`;
}
