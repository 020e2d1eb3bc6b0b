import type { CompiledGear } from './compiled-plan.ts';

/** Load is measured, and gears are chosen, once in this interval (CascadeServe §5). */
export const LOAD_INTERVAL_MS = 100;

/** Hysteresis factor: backlog of one request holds as much load as this many requests per second (CascadeServe §5). */
export const DEFAULT_ALPHA = 8;

/** The gear whose range holds `qps`; the last one above all ranges. Ranges ascend. */
export function gearForQps(gears: readonly CompiledGear[], qps: number): number {
  let low = 0;
  let high = gears.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (qps < gears[middle].toQps) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * The paper's rule: the gear of the measured load, but no shift to a lower-load gear while `qps < alpha * firstQueue`
 * (the longest queue of the gear's first model over devices): a backlog must not meet a slower cascade.
 */
export function chooseGear(
  gears: readonly CompiledGear[],
  current: number,
  qps: number,
  firstQueue: number,
  alpha: number,
): number {
  const wanted = gearForQps(gears, qps);
  return wanted < current && qps < alpha * firstQueue ? current : wanted;
}
