import type { Deployment } from '../domain/deployment/deployment.ts';

/**
 * Serving costs that the profile does not show, fitted to a run of the whole plane. Each factor has one meaning:
 * - how long a batch takes when served, divided by the profile's time, by kind of device, and how much of a device each request uses
 *   elsewhere on shared cores (measured, not fitted);
 * - how much more than profiled the device spends per batch and per request outside the inference;
 * - how long a message takes between two processes, and the extra cost of the first one when they sleep;
 * - how many requests the frontends can take off the network per second.
 */
export interface CalibrationFactors {
  /** Device class -> factor, without load. */
  readonly inference: Readonly<Record<string, number>>;
  /** How much of a device each request uses elsewhere: see `Overhead`. Also measured. */
  readonly contentionMs: number;
  readonly perBatch: number;
  readonly perRequest: number;
  readonly hopMs: number;
  readonly wakeMs: number;
  readonly intakeMs: number;
  readonly jitterMs: number;
}

/** The factors that are fitted. */
export type FittedFactor = Exclude<keyof CalibrationFactors, 'inference' | 'contentionMs'>;

/** Figures at one load: as promised by the profile, as corrected, and as measured. */
export interface CalibratedLoad {
  readonly qps: number;
  readonly requests: number;
  readonly promised: LoadFigures;
  readonly corrected: LoadFigures;
  readonly measured: LoadFigures;
  /** Device -> how much slower than planned it reported to be, weighted by how busy it was. */
  readonly slowdown: Readonly<Record<string, number>>;
}

export interface LoadFigures {
  readonly latencyMsP50: number;
  readonly latencyMsP95: number;
  /** Null without labels. */
  readonly accuracy: number | null;
  /** Device -> share of the time for which it was computing. */
  readonly utilisation: Readonly<Record<string, number>>;
}

/** Where requests are accepted: a calibration of one layout does not apply to another. */
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
  /** Seed of the arrivals. */
  readonly seed: number;
  /** Length of each load. */
  readonly seconds: number;
  readonly factors: CalibrationFactors;
  /** Factors that stopped at a bound: the measurements are farther from the profile than this model can explain. */
  readonly atBound: readonly FittedFactor[];
  readonly loads: readonly CalibratedLoad[];
}

/** Bounds of the fitted factors. Beyond them, something other than the profile's figures is wrong. */
export const BOUNDS: Readonly<Record<FittedFactor, readonly [least: number, most: number]>> = {
  perBatch: [0.1, 10],
  perRequest: [0.1, 10],
  hopMs: [0.005, 20],
  wakeMs: [0.001, 20],
  intakeMs: [0.0005, 0.5],
  jitterMs: [0.001, 20],
};
/** The same for inference. */
export const INFERENCE_BOUNDS: readonly [least: number, most: number] = [0.5, 5];
/** Upper bound of `contentionMs`. */
export const MOST_CONTENTION_MS = 20;
