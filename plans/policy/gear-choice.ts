import type { CompiledGear } from './compiled-plan.ts';

/** Load is measured, and gears are chosen, once in this interval (CascadeServe §5). */
export const LOAD_INTERVAL_MS = 100;

/** Hysteresis factor: backlog of one request holds as much load as this many requests per second (CascadeServe §5). */
const DEFAULT_ALPHA = 8;

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

/** How gears are chosen from what is measured. */
export interface GearRule {
  /** Hysteresis factor of the paper's rule, per second. */
  readonly alpha: number;
  /** A backlog counts as the load that would clear it in this time; Infinity: it does not count (the paper's rule). */
  readonly backlogDrainMs: number;
}

export const DEFAULT_GEAR_RULE: GearRule = { alpha: DEFAULT_ALPHA, backlogDrainMs: 500 };

/**
 * The gear to put in force.
 *
 * The paper's rule (CascadeServe §5): the gear of the measured load, but no shift to a lower-load gear while
 * `qps < alpha * firstQueue`: a backlog must not meet a slower cascade. Deviation: what waits in all queues counts as load on
 * top of what arrives, because a device that was slowed down for a while (a noisy neighbour, a failed twin) builds up a backlog
 * that the gear of its arrivals alone can take very long to clear, or never does.
 * @param firstQueue longest queue of the present gear's first model, over devices.
 * @param backlog requests waiting in all queues.
 */
export function chooseGear(
  gears: readonly CompiledGear[],
  current: number,
  qps: number,
  firstQueue: number,
  backlog: number,
  rule: GearRule,
): number {
  const wanted = gearForQps(gears, qps + (1_000 * backlog) / rule.backlogDrainMs);
  return wanted < current && qps < rule.alpha * firstQueue ? current : wanted;
}
