import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { runCalibration } from '../../../../actors/calibration/run-calibration.ts';
import { writeCalibration } from '../../../../plans/calibration/calibration-file.ts';
import { profileDeployment } from '../../../../plans/commands/profile.ts';
import type { Deployment } from '../../../../plans/domain/deployment/deployment.ts';
import { loadDeployment } from '../../../../plans/domain/deployment/read-deployment.ts';
import type { GearPlan } from '../../../../plans/domain/gear-plan/gear-plan.ts';
import { writePlan } from '../../../../plans/domain/gear-plan/plan-file.ts';
import type { Profile } from '../../../../plans/domain/profile/profile.ts';
import { readProfile, writeProfile } from '../../../../plans/domain/profile/profile-file.ts';
import { planGears } from '../../../../plans/planner/planner.ts';
import { type PlanOverrides, planRequestOf } from '../../../../plans/planner/request-of-deployment.ts';
import type { LayoutName } from './cases.ts';

export interface PreparedLayout {
  readonly deployment: Deployment;
  readonly profileFile: string;
  readonly folder: string;
}

/** The load of the plan with which each layout is calibrated. */
const CALIBRATED_UP_TO: Readonly<Record<LayoutName, number>> = {
  'fashion-in-devices': 7_000,
  'fashion-frontend': 5_000,
  'bert-like': 6_500,
};

/** Prepares a layout with a profile in its own folder; reuses files of an earlier run. */
export async function prepareLayout(name: LayoutName, into: string): Promise<PreparedLayout> {
  const folder = join(into, name);
  mkdirSync(folder, { recursive: true });
  const deployment = loadDeployment(deploymentFile(name, folder));
  const profileFile = join(folder, 'profile.json');
  if (!existsSync(profileFile)) writeProfile(profileFile, await profileDeployment(deployment));
  return { deployment, profileFile, folder };
}

function deploymentFile(name: LayoutName, folder: string): string {
  if (name === 'bert-like') return 'conf/synthetic/bert-like';
  if (name === 'fashion-in-devices') return 'conf/fashion';
  const yaml = readFileSync('conf/fashion/deployment.yaml', 'utf8')
    .replace(/frontends: in-devices.*/, 'frontends: 1')
    .replaceAll(/(models|data)\/(?=[a-z-]+\.(onnx|npy))/g, `${resolve('conf/fashion')}/$1/`);
  const file = join(folder, 'deployment.yaml');
  writeFileSync(file, yaml);
  return file;
}

/** Calibrates a layout with a plan made from its uncorrected profile. */
export async function calibrateLayout(
  name: LayoutName,
  { deployment, profileFile, folder }: PreparedLayout,
  seconds: number,
  tell: (line: string) => void,
): Promise<void> {
  const profile = readProfile(profileFile);
  const files = { profile: profileFile, plan: join(folder, 'plan.json') };
  const plan = await planFor(deployment, profile, { qpsMax: CALIBRATED_UP_TO[name] }, files.plan);
  const { calibration, fit } = await runCalibration({ deployment, profile, plan, files, seconds, tell });
  tell(`misfit ${fit.errorBefore.toFixed(2)} before, ${fit.errorAfter.toFixed(2)} after: ${JSON.stringify(calibration.factors)}`);
  writeCalibration(join(folder, 'calibration.json'), calibration);
}

export async function planFor(
  deployment: Deployment,
  profile: Profile,
  overrides: PlanOverrides,
  file: string,
): Promise<GearPlan> {
  const result = await planGears(planRequestOf(deployment, profile, overrides), { threads: 2 });
  if (result.type === 'infeasible') throw new Error(result.reason);
  writePlan(file, result.plan);
  return result.plan;
}
