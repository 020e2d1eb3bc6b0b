import type { Deployment } from '../domain/deployment/deployment.ts';
import { fileDigest } from '../domain/profile/file-digest.ts';
import type { Profile } from '../domain/profile/profile.ts';
import { readProfile, requireCurrent } from '../domain/profile/profile-file.ts';
import { calibratedProfile } from './calibrated-profile.ts';
import type { Calibration } from './calibration.ts';
import { calibrationFileOf, readCalibration } from './calibration-file.ts';
import { describeCorrection } from './describe.ts';

export interface PlanningProfileOptions {
  /** False: as it was measured, whatever calibration there is. */
  readonly calibration?: boolean;
  readonly say?: (line: string) => void;
}

/**
 * The profile that a plan is made from or simulated with: corrected, where a calibration of that very profile and of the
 * deployment's layout is beside it. Says so, or why not.
 * @throws ConfigError for a profile of other inputs, or a damaged file.
 */
export function planningProfile(
  deployment: Deployment,
  profileFile: string,
  { calibration: wanted = true, say = sayOnStderr }: PlanningProfileOptions = {},
): Profile {
  const profile = readProfile(profileFile);
  requireCurrent(deployment, profile, profileFile);
  if (!wanted) return profile;
  const file = calibrationFileOf(profileFile);
  const calibration = readCalibration(file);
  if (calibration === undefined) return profile;
  const problem = whyNot(calibration, deployment, profileFile);
  if (problem !== undefined) {
    say(`warning: ${file} is ignored: it ${problem}; run \`cascade calibrate\` again, or remove it`);
    return profile;
  }
  say(describeCorrection(calibration, profile));
  return calibratedProfile(profile, calibration, deployment.devices.length);
}

/** The calibration that holds for a profile's file, if there is one. @throws ConfigError for a damaged file. */
export function calibrationOf(deployment: Deployment, profileFile: string): Calibration | undefined {
  const calibration = readCalibration(calibrationFileOf(profileFile));
  return calibration === undefined || whyNot(calibration, deployment, profileFile) !== undefined ? undefined : calibration;
}

function whyNot({ profile, frontends }: Calibration, deployment: Deployment, profileFile: string): string | undefined {
  if (profile !== fileDigest(profileFile)) return `was measured with another profile than ${profileFile}`;
  if (frontends !== deployment.frontends)
    return `was measured with frontends: ${frontends}, and ${deployment.file} says ${deployment.frontends}`;
  return undefined;
}

function sayOnStderr(line: string): void {
  process.stderr.write(`${line}\n`);
}
