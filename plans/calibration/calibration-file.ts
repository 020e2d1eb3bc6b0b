import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { ConfigError, messageOf } from '../../engine/errors.ts';
import { writeWhole } from '../../engine/write-file.ts';
import { describeIssues } from '../domain/deployment/yaml-problems.ts';
import { BOUNDS, type Calibration, type FittedFactor, INFERENCE_BOUNDS, MOST_CONTENTION_MS } from './calibration.ts';

/** calibration.json, next to the profile that it corrects. */

const within = ([least, most]: readonly [number, number]) => z.number().min(least).max(most);
const byDevice = z.record(z.string(), z.number().nonnegative());
const figures = z.strictObject({
  latencyMsP50: z.number().positive(),
  latencyMsP95: z.number().positive(),
  accuracy: z.number().min(0).max(1).nullable(),
  utilisation: byDevice,
});

const calibrationSchema = z.strictObject({
  schema: z.literal(1),
  deployment: z.string(),
  profile: z.string(),
  frontends: z.union([z.literal('in-devices'), z.int().positive()]),
  machine: z.string(),
  date: z.iso.datetime(),
  seed: z.int().positive(),
  seconds: z.int().positive(),
  factors: z.strictObject({
    inference: z.record(z.string(), within(INFERENCE_BOUNDS)),
    contentionMs: z.number().min(0).max(MOST_CONTENTION_MS),
    perBatch: within(BOUNDS.perBatch),
    perRequest: within(BOUNDS.perRequest),
    hopMs: within(BOUNDS.hopMs),
    wakeMs: within(BOUNDS.wakeMs),
    intakeMs: within(BOUNDS.intakeMs),
    jitterMs: within(BOUNDS.jitterMs),
  }),
  atBound: z.array(z.enum(Object.keys(BOUNDS) as [FittedFactor, ...FittedFactor[]])),
  loads: z.array(
    z.strictObject({
      qps: z.number().positive(),
      requests: z.int().nonnegative(),
      promised: figures,
      corrected: figures,
      measured: figures,
      slowdown: byDevice,
    }),
  ),
});

export function calibrationFileOf(profileFile: string): string {
  return join(dirname(profileFile), 'calibration.json');
}

/**
 * @returns undefined when there is no such file.
 * @throws ConfigError that names the file, the field and what to do.
 */
export function readCalibration(path: string): Calibration | undefined {
  if (!existsSync(path)) return undefined;
  const again = 'run `cascade calibrate` again, or remove the file';
  let plain: unknown;
  try {
    plain = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new ConfigError(`${path} is not a calibration (${messageOf(error)}); ${again}`);
  }
  const result = calibrationSchema.safeParse(plain, { reportInput: true });
  if (!result.success)
    throw new ConfigError(
      `${path} is not a valid calibration; ${again}\n${describeIssues(calibrationSchema, plain, result.error)}`,
    );
  return result.data;
}

/** @throws ConfigError when it cannot be written. */
export function writeCalibration(path: string, calibration: Calibration): void {
  writeWhole(path, `${JSON.stringify(calibration, null, 2)}\n`);
}
