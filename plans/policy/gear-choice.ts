import type { GearBasis } from '../../engine/wire/messages.ts';
import type { CompiledGear } from './compiled-plan.ts';
import { type MeasuredLoad, rateInterval } from './load-history.ts';
import { scaledQps } from './load-scale.ts';

/** Load is measured, and gears are chosen, once in this interval (CascadeServe §5). */
export const LOAD_INTERVAL_MS = 100;

/** How gears are chosen from what is measured. */
export interface GearRule {
  /** Hysteresis factor of the paper's rule, per second; 0: none. */
  readonly alpha: number;
  /** An unusual backlog counts as the load that would clear it in this time; Infinity: it does not count (the paper's rule). */
  readonly backlogDrainMs: number;
  /** Load is measured over the last interval and over this time; one interval in the paper. */
  readonly windowMs: number;
  /** A load must be outside the gear's range by so many standard deviations of counting before the gear shifts; 0 in the paper. */
  readonly noiseBand: number;
}

/** The rule of CascadeServe §5. */
export const PAPER_GEAR_RULE: GearRule = {
  alpha: 8,
  backlogDrainMs: Number.POSITIVE_INFINITY,
  windowMs: LOAD_INTERVAL_MS,
  noiseBand: 0,
};

/** The best of those compared by `npm run bench:gear-rules`. */
export const DEFAULT_GEAR_RULE: GearRule = { alpha: 8, backlogDrainMs: 500, windowMs: 300, noiseBand: 2 };

/** What is measured: all that a choice is made from, but the rule. */
export interface GearInputs {
  /** Load of the last interval, and of the rule's window. */
  readonly lastLoad: MeasuredLoad;
  readonly windowLoad: MeasuredLoad;
  /** Linear factor between the measured load and the planned one (see load-scale.ts); 1 under a latency SLO. */
  readonly scale: number;
  /** Longest queue of the present gear's first model, over devices. */
  readonly firstQueue: number;
  /** Requests waiting in all queues. */
  readonly backlog: number;
}

export interface GearDecision {
  readonly gear: number;
  readonly basis: GearBasis;
}

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
 * The gear to put in force, and why.
 *
 * The paper's rule (CascadeServe §5): the gear of the measured load, but no shift to a lower-load gear while
 * `qps < alpha * firstQueue`: a backlog must not meet a slower cascade. Deviations, each off in PAPER_GEAR_RULE:
 *
 * - What is counted in an interval is mostly noise where loads are low: 60 requests/s are 6 in 100 ms, give or take 2.4. So the
 *   load is known to lie between two bounds only, and the gear shifts no farther than to the nearest gear that they allow. A
 *   burst counts by the last interval alone, if that is enough to be sure; a falling load needs the whole window.
 * - What waits counts as load on top of what arrives, as far as it is more than the plan expects to wait: a device that was
 *   slowed down for a while (a noisy neighbour, a failed twin) builds up a backlog that the gear of its arrivals alone can take
 *   very long to clear, or never does. Queues are as they are, so this load is not scaled.
 */
export function chooseGear(
  gears: readonly CompiledGear[],
  current: number,
  { lastLoad, windowLoad, scale, firstQueue, backlog }: GearInputs,
  rule: GearRule,
): GearDecision {
  const [lastLow] = rateInterval(lastLoad, rule.noiseBand);
  const [windowLow, windowHigh] = rateInterval(windowLoad, rule.noiseBand);
  const promisedQps = gears.findLast(({ bestEffort }) => !bestEffort)?.toQps ?? 0;
  const lowQps = scaledQps(Math.max(lastLow, windowLow), scale, promisedQps);
  const highQps = Math.max(lowQps, scaledQps(windowHigh, scale, promisedQps));
  // Requests that the system holds at this load when all are answered as the plan expects (Little's law).
  const excess = Math.max(0, backlog - (windowLoad.qps * gears[current].expectedMsP95) / 1_000);
  const clearingQps = (1_000 * excess) / rule.backlogDrainMs;
  const decision = (gear: number, cause: GearBasis['rule']): GearDecision => ({
    gear,
    basis: { rule: cause, qps: lastLoad.qps, lowQps, highQps, scale, firstQueue, backlog, excess },
  });
  const least = gearForQps(gears, lowQps + clearingQps);
  if (least > current) return decision(least, gearForQps(gears, lowQps) === least ? 'load' : 'backlog');
  const most = gearForQps(gears, highQps + clearingQps);
  if (most >= current) return decision(current, gearForQps(gears, highQps) >= current ? 'load' : 'backlog');
  return lastLoad.qps < rule.alpha * firstQueue ? decision(current, 'held') : decision(most, 'load');
}
