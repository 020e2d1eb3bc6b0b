import { accessSync, constants, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from '../../engine/errors.ts';
import { profileDeployment } from '../../plans/commands/profile.ts';
import { type Deployment, deviceClass } from '../../plans/domain/deployment/deployment.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { writePlan } from '../../plans/domain/gear-plan/plan-file.ts';
import { batchMs } from '../../plans/domain/profile/batch-cost.ts';
import type { ModelProfile, Profile } from '../../plans/domain/profile/profile.ts';
import { profileIsCurrent, readProfile, writeProfile } from '../../plans/domain/profile/profile-file.ts';
import { planGears } from '../../plans/planner/planner.ts';
import { planRequestOf } from '../../plans/planner/request-of-deployment.ts';
import { progressLine } from '../../plans/profiling/progress-line.ts';

/** Folder for the demo's profile and plan: next to the deployment, or in the user's cache if that is not writable. */
export function workFolder(deployment: Deployment): string {
  try {
    accessSync(deployment.dir, constants.W_OK);
    return deployment.dir;
  } catch {
    const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'cascadeserve', deployment.name);
    mkdirSync(folder, { recursive: true });
    return folder;
  }
}

/** The profile of an earlier run, if models, data and devices are unchanged; else a new one. */
export async function cachedProfile(deployment: Deployment, file: string, tell: (text: string) => void): Promise<Profile> {
  try {
    const profile = readProfile(file);
    if (profileIsCurrent(deployment, profile)) {
      tell(`using the profile of an earlier run (${file})`);
      return profile;
    }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
  }
  const line = progressLine(process.stderr);
  try {
    const profile = await profileDeployment(deployment, {
      onProgress: (step, fraction) => line.show(step, fraction),
      onWarning: (warning) => line.say(`warning: ${warning}`),
    });
    writeProfile(file, profile);
    return profile;
  } finally {
    line.clear();
  }
}

/** Highest load that one model alone can carry on all devices of the deployment, with its best batch size. */
export function aloneQps(deployment: Deployment, profile: Profile, model: ModelProfile): number {
  return deployment.devices.reduce((total, device) => {
    const curve = model.runtimes[deviceClass(device)];
    return total + Math.max(...curve.batch.map((batch) => (1_000 * batch) / batchMs(curve, profile.overhead, batch)));
  }, 0);
}

/** Peak of the demo's plan, as a multiple of what the largest model alone can serve. */
const BEYOND_LARGEST = 5.5;
/** The sender must not be the bottleneck on a small machine. */
const MOST_QPS = 9_000;
/** Fractions of the desired load to try, on machines where it is out of reach. */
const FALLBACKS = [1, 0.8, 0.6, 0.4, 0.2];

/** Plans for flash crowds that the largest model alone could not serve on this machine, as far as the SLO can be met. */
export async function planForThisMachine(
  deployment: Deployment,
  profile: Profile,
  file: string,
  tell: (text: string) => void,
): Promise<GearPlan> {
  const largest = profile.models[profile.models.length - 1];
  const wanted = Math.min(MOST_QPS, BEYOND_LARGEST * aloneQps(deployment, profile, largest));
  let reason = '';
  for (const factor of FALLBACKS) {
    const qpsMax = Math.max(100, Math.round((wanted * factor) / 100) * 100);
    const result = await planGears(planRequestOf(deployment, profile, { qpsMax }), { progress: tell });
    if (result.type === 'plan') {
      writePlan(file, result.plan);
      return result.plan;
    }
    reason = result.reason;
    tell(`${qpsMax} requests/s are out of reach on this machine: ${reason}`);
  }
  throw new ConfigError(`the demo found no plan for this machine: ${reason}`);
}
