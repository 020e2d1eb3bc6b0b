import { existsSync } from 'node:fs';
import { planningProfile } from '../../plans/calibration/planning-profile.ts';
import type { Deployment } from '../../plans/domain/deployment/deployment.ts';
import { isOnServersOnly } from '../../plans/domain/deployment/model-entry.ts';
import { displayPath } from '../../plans/domain/deployment/shown.ts';
import { type GearPlan, shortDigest } from '../../plans/domain/gear-plan/gear-plan.ts';
import { checkPlanFor, refusePlan } from '../../plans/domain/gear-plan/plan-check.ts';
import { readPlan } from '../../plans/domain/gear-plan/plan-file.ts';
import { planWarnings } from '../../plans/domain/gear-plan/plan-warnings.ts';
import { entryDigest } from '../../plans/domain/profile/file-digest.ts';
import type { Profile } from '../../plans/domain/profile/profile.ts';
import { profileIsCurrent, readProfile, requireSameSettings } from '../../plans/domain/profile/profile-file.ts';
import { counted, describeSlo, plain } from '../../plans/explain/format.ts';
import { type Finding, Findings } from './finding.ts';

interface PlanCheck {
  readonly findings: readonly Finding[];
  /** If it matches the current deployment. */
  readonly profile: Profile | undefined;
}

/** Checks that profile, calibration and plan exist, are valid, and match the current deployment. */
export async function checkPlan(deployment: Deployment, profileFile: string, planFile: string): Promise<PlanCheck> {
  const profiles = new Findings('profile');
  const profile = await currentProfile(deployment, profileFile, profiles);
  const plans = new Findings('plan');
  await checkGearPlan(deployment, planFile, profile, plans);
  return { findings: [...profiles.list, ...plans.list], profile };
}

async function currentProfile(deployment: Deployment, file: string, profiles: Findings): Promise<Profile | undefined> {
  const name = displayPath(file);
  if (!existsSync(file)) {
    profiles.warn(`${name} does not exist yet; make it with \`cascade profile\``);
    return undefined;
  }
  return profiles.attempt(() => {
    const profile = readProfile(file);
    requireSameSettings(deployment, profile, file);
    if (profileIsCurrent(deployment, profile)) {
      profiles.ok(`${name} matches these models and data, and was measured on ${profile.machine}`);
      planningProfile(deployment, file, { say: (line) => tell(line, profiles) });
    } else {
      profiles.warn(
        `${name} was measured with different model files than ${displayPath(deployment.file)} has now; run \`cascade profile\` and \`cascade plan\` again to serve the new ones`,
      );
    }
    return profile;
  });
}

function tell(line: string, profiles: Findings): void {
  const warning = /^warning: (.*)$/s.exec(line);
  if (warning === null) profiles.ok(line);
  else profiles.warn(warning[1]);
}

async function checkGearPlan(deployment: Deployment, file: string, profile: Profile | undefined, plans: Findings): Promise<void> {
  const name = displayPath(file);
  if (!existsSync(file)) {
    plans.warn(`${name} does not exist yet; make it with \`cascade plan\``);
    return;
  }
  await plans.attempt(() => {
    const plan = readPlan(file);
    refusePlan(file, checkPlanFor(deployment, plan));
    const top = plan.gears[plan.gears.length - 1].qps[1];
    plans.ok(`${name}: ${counted(plan.gears.length, 'gear')} up to ${plain(top)} requests/s; SLO: ${describeSlo(plan.slo)}`);
    for (const warning of [...otherGoal(deployment, plan, top, name), ...otherWeights(deployment, plan, name)])
      plans.warn(warning);
    if (profile !== undefined) for (const warning of planWarnings(plan, profile)) plans.warn(warning);
  });
}

/** The command line can set another goal for a plan, and a deployment can be edited after planning. */
function otherGoal({ file, slo, load }: Deployment, plan: GearPlan, top: number, name: string): string[] {
  const wanted = slo.type === 'latency' ? { p95: slo.p95Ms } : { accuracy: slo.accuracy };
  const config = displayPath(file);
  return [
    ...(describeSlo(wanted) === describeSlo(plan.slo)
      ? []
      : [
          `${name} was made for the SLO ${describeSlo(plan.slo)}; slo of ${config} is ${describeSlo(wanted)}: run \`cascade plan\` again, unless this is intended`,
        ]),
    ...(plain(top) === plain(load.qpsMax)
      ? []
      : [
          `${name} was made for loads up to ${plain(top)} requests/s; load.qpsMax of ${config} is ${plain(load.qpsMax)}: run \`cascade plan\` again, unless this is intended`,
        ]),
  ];
}

/** Devices keep copies of the files that plans name, so the plan can be served, but not from the current files. */
function otherWeights({ models, synthetic }: Deployment, { weights }: GearPlan, name: string): string[] {
  if (synthetic !== undefined) return [];
  return models.flatMap((model) => {
    if (!isOnServersOnly(model) && !existsSync(model.file)) return [];
    const digest = entryDigest(model);
    const planned = weights[model.name].digest;
    if (digest === planned) return [];
    return [
      `${name} names ${model.name} with digest ${shortDigest(planned)}, but ${displayPath(model.file)} is ${shortDigest(digest)}: run \`cascade profile\` and \`cascade plan\` again to serve it`,
    ];
  });
}
