import type { Deployment } from '../domain/deployment/deployment.ts';
import { fileDigest } from '../domain/profile/file-digest.ts';
import type { Profile } from '../domain/profile/profile.ts';
import { readProfile, requireCurrent } from '../domain/profile/profile-file.ts';
import { calibratedProfile } from './calibrated-profile.ts';
import type { Calibration } from './calibration.ts';
import { calibrationFileOf, readCalibration } from './calibration-file.ts';
import { describeCorrection } from './describe.ts';

export interface PlanningProfileOptions {
  /** False: use the profile as measured, ignoring any calibration. */
  readonly calibration?: boolean;
  readonly say?: (line: string) => void;
}

/**
 * The profile for planning and simulation: corrected if there is a calibration of this very profile and the deployment's layout next to
 * it. Reports whether it was used, or why not.
 * @throws ConfigError for a profile that does not match the deployment, or a damaged file.
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

/** The calibration that applies to a profile file, if any. @throws ConfigError for a damaged file. */
export function calibrationOf(deployment: Deployment, profileFile: string): Calibration | undefined {
  const calibration = readCalibration(calibrationFileOf(profileFile));
  return calibration === undefined || whyNot(calibration, deployment, profileFile) !== undefined ? undefined : calibration;
}

function whyNot({ profile, frontends }: Calibration, deployment: Deployment, profileFile: string): string | undefined {
  if (profile !== fileDigest(profileFile)) return `was measured with a different profile than ${profileFile}`;
  if (frontends !== deployment.frontends)
    return `was measured with frontends: ${frontends}, but ${deployment.file} says ${deployment.frontends}`;
  return undefined;
}

function sayOnStderr(line: string): void {
  process.stderr.write(`${line}\n`);
}
