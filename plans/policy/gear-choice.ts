import type { GearBasis } from '../protocol/control-messages.ts';
import type { CompiledGear } from './compiled-plan.ts';
import { TOLERATED_SLOWDOWN } from './device-speed.ts';
import type { LoadEstimate } from './load-history.ts';
import { scaledQps } from './load-scale.ts';

/** Load is measured, and gears are chosen, once in this interval (CascadeServe §5). */
export const LOAD_INTERVAL_MS = 100;

/** How gears are chosen from the measurements. */
export interface GearRule {
  /** Hysteresis factor of the paper's rule, per second; 0: none. */
  readonly alpha: number;
  /** An unusual backlog counts as the load that would clear it in this time; Infinity ignores it (the paper's rule). */
  readonly backlogDrainMs: number;
  /** Longest time over which the load is measured; one interval in the paper. */
  readonly windowMs: number;
  /** The load must be this many standard deviations of counting noise outside the gear's range before we shift; 0 in the paper. */
  readonly noiseBand: number;
  /** A lower-load gear must have been sufficient for this long before we take it; 0 in the paper. */
  readonly settleMs: number;
  /** Whether a gear's range shrinks when its devices are slower than profiled; false in the paper. */
  readonly measuredSpeed: boolean;
}

/** The rule of CascadeServe §5. */
export const PAPER_GEAR_RULE: GearRule = {
  alpha: 8,
  backlogDrainMs: Number.POSITIVE_INFINITY,
  windowMs: LOAD_INTERVAL_MS,
  noiseBand: 0,
  settleMs: 0,
  measuredSpeed: false,
};

/** The best rule of those compared by `npm run bench:gear-rules` and live. Under a latency SLO the backlog drains within half of it. */
export const DEFAULT_GEAR_RULE: GearRule = {
  alpha: 0,
  backlogDrainMs: 500,
  windowMs: 3_000,
  noiseBand: 3,
  settleMs: 2_000,
  measuredSpeed: true,
};

/**
 * The default of `backlogDrainMs`: queued work delays later requests, which have only the SLO.
 * @param p95Ms of a latency SLO.
 */
export function defaultDrainMs(p95Ms: number | undefined): number {
  return p95Ms === undefined ? DEFAULT_GEAR_RULE.backlogDrainMs : p95Ms / 2;
}

/** The measurements on which a choice is based. */
export interface GearInputs {
  readonly load: LoadEstimate;
  /** Linear factor between measured and planned load (see load-scale.ts); 1 under a latency SLO. */
  readonly scale: number;
  /** Per device: how much slower than profiled it is. */
  readonly slowdown: Float64Array;
  /** Longest queue of the current gear's first model, over all devices. */
  readonly firstQueue: number;
  /** Requests waiting in all queues. */
  readonly backlog: number;
  /** Computing time of the work queued on the fullest device. */
  readonly waitMs: number;
}

export interface GearDecision {
  readonly gear: number;
  readonly basis: GearBasis;
}

/** The lowest gear that a load requires, and the one it allows, below which no gear is certain to be enough. */
export interface WantedGears {
  readonly least: GearDecision;
  readonly most: GearDecision;
}

/** Larger slowdowns count in full: the plan's headroom is for bursts, not for slow devices. */
const FULL_SLOWDOWN = 1.3;
/**
 * Work that waits no longer than this share of the drain time is not a backlog: it comes and goes with counting noise and with long
 * batches.
 */
const USUAL_WAIT = 0.4;
/** Take a lower-load gear only when the load is this share below the top of its range, so that we do not shift straight back. */
const CLEAR_OF_RANGE = 0.08;

/** Minimum interval between a device's urgent reports of a growing backlog. */
export const URGENT_INTERVAL_MS = 25;

/** The gear whose range contains `qps`; above all ranges, the last one. Ranges ascend. */
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
 * How much slower a gear is as a whole when its devices are slower. Shares move to the faster devices (see routing.ts), so each model
 * has the combined speed of its replicas, weighted by the plan's shares; the slowest model decides.
 */
export function gearSlowdown(gear: CompiledGear, slowdown: Float64Array): number {
  const devices = slowdown.length;
  let slowest = 1;
  for (const model of gear.cascade) {
    let speed = 0;
    for (let d = 0; d < devices; d++) speed += gear.shares[model * devices + d] / slowdown[d];
    if (speed > 0) slowest = Math.max(slowest, 1 / speed);
  }
  const counted = Math.min(1, Math.max(0, (slowest - TOLERATED_SLOWDOWN) / (FULL_SLOWDOWN - TOLERATED_SLOWDOWN)));
  return 1 + counted * (slowest - 1);
}

/**
 * Which gears a measured load allows, and why. A gear carries the planned load divided by the slowdown of its devices.
 *
 * The paper's rule (CascadeServe §5) takes the gear of the measured load, but does not shift to a lower-load gear while
 * `qps < alpha * firstQueue`, because a backlog must not meet a slower cascade. Our deviations, each off in PAPER_GEAR_RULE:
 *
 * - At low loads, the count of one interval is mostly noise: 60 requests/s are 6 in 100 ms, plus or minus 2.4. So we only know that
 *   the load lies between two bounds, and shift no farther than to the nearest gear that they allow.
 * - Work that waits longer than usual counts as load on top of what arrives: a queue that grows although the table says all is well is
 *   evidence by itself. Queues are real, so this load is not scaled.
 * - Devices are as fast as they are measured to be.
 */
export function wantedGears(gears: readonly CompiledGear[], current: number, inputs: GearInputs, rule: GearRule): WantedGears {
  const { load, scale, firstQueue, backlog, waitMs, slowdown } = inputs;
  const promisedQps = gears.findLast(({ bestEffort }) => !bestEffort)?.toQps ?? 0;
  const lowQps = scaledQps(load.lowQps, scale, promisedQps);
  const highQps = Math.max(lowQps, scaledQps(load.highQps, scale, promisedQps));
  const excess = excessOf(inputs, gears[current], rule);
  const clearingQps = (1_000 * excess) / rule.backlogDrainMs;
  const slowest = slowdown.reduce((most, factor) => Math.max(most, factor), 1);
  const isSlow = rule.measuredSpeed && slowest > TOLERATED_SLOWDOWN;
  const factorOf = (gear: CompiledGear): number => (isSlow ? gearSlowdown(gear, slowdown) : 1);
  const gearFor = (qps: number): number => (isSlow ? leastGear(gears, qps, factorOf) : gearForQps(gears, qps));
  const decision = (gear: number, boundQps: number): GearDecision => ({
    gear,
    basis: {
      rule: causeOf(gear, boundQps),
      qps: load.qps,
      lowQps,
      highQps,
      scale,
      slowdown: factorOf(gears[gear]),
      firstQueue,
      backlog,
      excess,
      waitMs,
    },
  });
  /** The first of load, speed and backlog that explains a gear. */
  const causeOf = (gear: number, boundQps: number): GearBasis['rule'] => {
    if (gearForQps(gears, boundQps) >= gear) return 'load';
    return gearFor(boundQps) >= gear ? 'speed' : 'backlog';
  };
  const clear = rule.settleMs > 0 ? 1 + CLEAR_OF_RANGE : 1;
  const least = gearFor(lowQps + clearingQps);
  const most = Math.max(least, Math.min(gearFor(clear * (highQps + clearingQps)), Math.max(current, least)));
  return {
    least: decision(least, lowQps),
    most: decision(most, clear * highQps),
  };
}

/** A device whose queues hold at least this much computing time reports its backlog at once. */
export function backlogFromMs({ backlogDrainMs }: GearRule): number {
  return USUAL_WAIT * backlogDrainMs;
}

/** Number of requests waiting beyond what the plan expects. */
function excessOf({ backlog, waitMs }: GearInputs, gear: CompiledGear, rule: GearRule): number {
  if (rule.backlogDrainMs === Number.POSITIVE_INFINITY) return 0;
  const usualMs = Math.max(backlogFromMs(rule), Math.min(gear.expectedMsP95, rule.backlogDrainMs / 2));
  return waitMs <= usualMs ? 0 : backlog * (1 - usualMs / waitMs);
}

/** The lowest gear that carries `qps` at the current speed of its devices. */
function leastGear(gears: readonly CompiledGear[], qps: number, factorOf: (gear: CompiledGear) => number): number {
  const last = gears.length - 1;
  for (let gear = 0; gear < last; gear++) if (qps * factorOf(gears[gear]) < gears[gear].toQps) return gear;
  return last;
}
