import type { Deployment } from '../domain/deployment/deployment.ts';

/**
 * What serving costs beside what the profile says, fitted to a run of the whole plane. Each factor has one meaning:
 * - how long a batch takes when it is served, over the profile, by kind of device, and how much of a device each request takes
 *   elsewhere, on shared cores (measured, not fitted);
 * - how much more than profiled the device does per batch and per request beside the inference;
 * - how long a message takes between two processes, and what the first one costs when they sleep;
 * - how many requests the frontends can take off the network in a second.
 */
export interface CalibrationFactors {
  /** Device class -> factor, without load. */
  readonly inference: Readonly<Record<string, number>>;
  /** How much of a device each request takes elsewhere: see `Overhead`. Measured, too. */
  readonly contentionMs: number;
  readonly perBatch: number;
  readonly perRequest: number;
  readonly hopMs: number;
  readonly wakeMs: number;
  readonly intakeMs: number;
  readonly jitterMs: number;
}

/** Those that are fitted. */
export type FittedFactor = Exclude<keyof CalibrationFactors, 'inference' | 'contentionMs'>;

/** What one load was like: as the profile promised it, as the correction has it, and as it was. */
export interface CalibratedLoad {
  readonly qps: number;
  readonly requests: number;
  readonly promised: LoadFigures;
  readonly corrected: LoadFigures;
  readonly measured: LoadFigures;
  /** Device -> how much slower than planned it said that it was, weighted by how busy it was. */
  readonly slowdown: Readonly<Record<string, number>>;
}

export interface LoadFigures {
  readonly latencyMsP50: number;
  readonly latencyMsP95: number;
  /** Null without labels. */
  readonly accuracy: number | null;
  /** Device -> share of the time for which it computed. */
  readonly utilisation: Readonly<Record<string, number>>;
}

/** Who takes requests: what calibrates one layout says nothing of another. */
export type Layout = Deployment['frontends'];

/** calibration.json. */
export interface Calibration {
  readonly schema: 1;
  readonly deployment: string;
  /** Digest of the profile's file. */
  readonly profile: string;
  readonly frontends: Layout;
  readonly machine: string;
  readonly date: string;
  /** Of the arrivals. */
  readonly seed: number;
  /** Of each load. */
  readonly seconds: number;
  readonly factors: CalibrationFactors;
  /** Factors that stopped at a bound: what was measured is farther from the profile than the model explains. */
  readonly atBound: readonly FittedFactor[];
  readonly loads: readonly CalibratedLoad[];
}

/** Of fitted factors. Beyond, something else is wrong than the figures of a profile. */
export const BOUNDS: Readonly<Record<FittedFactor, readonly [least: number, most: number]>> = {
  perBatch: [0.1, 10],
  perRequest: [0.1, 10],
  hopMs: [0.005, 20],
  wakeMs: [0.001, 20],
  intakeMs: [0.0005, 0.5],
  jitterMs: [0.001, 20],
};
/** As for the fitted ones, of inference. */
export const INFERENCE_BOUNDS: readonly [least: number, most: number] = [0.5, 5];
/** Of `contentionMs`. */
export const MOST_CONTENTION_MS = 20;
