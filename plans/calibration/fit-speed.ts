import { type CalibrationFactors, INFERENCE_BOUNDS, MOST_CONTENTION_MS } from './calibration.ts';

/** A device's measurement of its own speed under a load. */
export interface MeasuredSpeed {
  readonly deviceClass: string;
  readonly qps: number;
  /** Inference time divided by the profile's. */
  readonly slowdown: number;
  /** Share of the time for which it was computing: the weight of the measurement. */
  readonly busy: number;
}

type Speed = Pick<CalibrationFactors, 'inference' | 'contentionMs'>;

/**
 * Speed of inference without load, and how much each request takes away from it: a weighted least-squares line through the measured
 * speeds, 1 / slowdown = (1 - qps * contention) / inference. A rising line is noise, which means that there is no contention.
 */
export function fitSpeed(points: readonly MeasuredSpeed[]): Speed {
  const kinds = [...new Set(points.map(({ deviceClass }) => deviceClass))];
  const lines = kinds.map((kind) => lineThrough(points.filter(({ deviceClass }) => deviceClass === kind)));
  const weight = lines.reduce((sum, line) => sum + line.weight, 0);
  const contention = weight === 0 ? 0 : lines.reduce((sum, line) => sum + line.weight * line.contention, 0) / weight;
  const contentionMs = rounded(Math.min(MOST_CONTENTION_MS, 1_000 * contention));
  const [least, most] = INFERENCE_BOUNDS;
  const inference = kinds.map((kind, k) => [kind, rounded(Math.min(most, Math.max(least, lines[k].inference)))] as const);
  return { inference: Object.fromEntries(inference), contentionMs };
}

function lineThrough(points: readonly MeasuredSpeed[]): { inference: number; contention: number; weight: number } {
  const weight = points.reduce((sum, { busy }) => sum + busy, 0);
  if (weight === 0) return { inference: 1, contention: 0, weight };
  const mean = (of: (point: MeasuredSpeed) => number): number =>
    points.reduce((sum, point) => sum + point.busy * of(point), 0) / weight;
  const [qps, speed] = [mean((point) => point.qps), mean((point) => 1 / point.slowdown)];
  const spread = mean((point) => (point.qps - qps) ** 2);
  const slope = spread === 0 ? 0 : mean((point) => (point.qps - qps) * (1 / point.slowdown - speed)) / spread;
  const falling = Math.min(0, slope);
  const unloaded = speed - falling * qps;
  return { inference: 1 / unloaded, contention: -falling / unloaded, weight };
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
