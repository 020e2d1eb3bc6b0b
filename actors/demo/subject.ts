import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pc from 'picocolors';
import { isSeq, parseDocument } from 'yaml';
import { ConfigError } from '../../engine/errors.ts';
import { packageRoot } from '../../engine/process/package-info.ts';
import { profileDeployment } from '../../plans/commands/profile.ts';
import type { Deployment } from '../../plans/domain/deployment/deployment.ts';
import { loadDeployment } from '../../plans/domain/deployment/read-deployment.ts';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { writePlan } from '../../plans/domain/gear-plan/plan-file.ts';
import type { Profile } from '../../plans/domain/profile/profile.ts';
import { writeProfile } from '../../plans/domain/profile/profile-file.ts';
import { slowedProfile } from '../../plans/domain/profile/slowed-profile.ts';
import { planGears } from '../../plans/planner/planner.ts';
import { planRequestOf } from '../../plans/planner/request-of-deployment.ts';
import { DEADLINE_MAX_MS } from '../../plans/protocol/request.ts';
import { emulatedIntroduction, PICTURES_INTRODUCTION, TEXT_INTRODUCTION } from './explain.ts';
import { cachedProfile, planForThisMachine, workFolder } from './prepare.ts';

/**
 * The trace's peak as a fraction of the planned load. The gears above are a reserve for when this machine has other work: queued requests
 * count as load, so a backlog is cleared in a cheaper gear than its arrivals alone would get.
 */
export const PEAK_OF_PLAN = 0.65;

type Tell = (text: string) => void;

/** The content of a demo: an example of conf/ with real models, or a synthetic family on emulated devices. */
export interface DemoSubject {
  /** As it is served: slowed down if the machine is too slow for it. */
  readonly deployment: Deployment;
  readonly introduction: string;
  /** What a request is. */
  readonly noun: string;
  readonly emulated: boolean;
  /** Everything takes this many times as long as stated. */
  readonly slowdown: number;
  readonly files: { readonly profile: string; readonly plan: string; readonly trace: string };
  profile(tell: Tell): Promise<Profile>;
  plan(profile: Profile, tell: Tell): Promise<GearPlan>;
  close(): void;
}

const EXAMPLES = {
  fashion: { introduction: PICTURES_INTRODUCTION, noun: 'picture' },
  languages: { introduction: TEXT_INTRODUCTION, noun: 'text' },
} as const;

export type ExampleName = keyof typeof EXAMPLES;

export function exampleSubject(name: ExampleName): DemoSubject {
  const deployment = loadDeployment(confPath(name));
  const folder = workFolder(deployment);
  const files = { profile: join(folder, 'profile.json'), plan: join(folder, 'plan.json'), trace: confPath('fashion/trace.csv') };
  return {
    deployment,
    ...EXAMPLES[name],
    emulated: false,
    slowdown: 1,
    files,
    profile: (tell) => cachedProfile(deployment, files.profile, tell),
    plan: (profile, tell) => planForThisMachine(deployment, profile, files.plan, tell),
    close: () => undefined,
  };
}

/** Requests per second that client, frontend and emulated devices can handle together, per core of the machine. */
const QPS_PER_CORE = 900;

/**
 * A synthetic family at its intended scale. If this machine's cores cannot handle that, it is slowed down: load, devices and SLO alike,
 * so that gears, shares and batches are those of the full speed.
 * @throws ConfigError when there is no such family.
 */
export function emulatedSubject(name: string): DemoSubject {
  const root = confPath('synthetic');
  const known = readdirSync(root);
  if (!known.includes(name)) throw new ConfigError(`--emulated ${name}: unknown family; use ${known.join(' or ')}`);
  // A separate folder, because there are fewer devices, and a slowed profile must not be used for planning.
  const folder = mkdtempSync(join(tmpdir(), 'cascade-demo-'));
  const original = withFewerDevices(join(root, name), join(folder, 'deployment.yaml'));
  const { slo, load } = original;
  const slowdown = Math.max(1, load.qpsMax / (QPS_PER_CORE * availableParallelism()));
  const deployment: Deployment = {
    ...original,
    slo: slo.type === 'latency' ? { ...slo, p95Ms: slo.p95Ms * slowdown } : slo,
    load: { ...load, qpsMax: load.qpsMax / slowdown },
    deadlineMs: Math.min(DEADLINE_MAX_MS, original.deadlineMs * slowdown),
  };
  const files = { profile: join(folder, 'profile.json'), plan: join(folder, 'plan.json'), trace: confPath('fashion/trace.csv') };
  return {
    deployment,
    introduction: emulatedIntroduction(name, deployment.devices.length),
    noun: 'request',
    emulated: true,
    slowdown,
    files,
    profile: async (tell) => {
      const profile = slowedProfile(await profileDeployment(original), slowdown);
      writeProfile(files.profile, profile);
      if (slowdown > 1) {
        const [full, here] = [load.qpsMax, deployment.load.qpsMax].map((qps) => pc.bold(qps.toFixed(0)));
        tell(
          `${full} requests/s are too many for the ${availableParallelism()} cores of this machine, so everything runs ${slowdown.toFixed(1)} times slower: ` +
            `at most ${here} requests/s, with devices and SLO slowed down equally. Gears, shares and batches are those of the full speed.`,
        );
      }
      return profile;
    },
    plan: async (profile, tell) => {
      const result = await planGears(planRequestOf(deployment, profile, {}), { progress: tell });
      if (result.type !== 'plan') throw new ConfigError(`${name}: no plan meets its SLO: ${result.reason}`);
      writePlan(files.plan, result.plan);
      return result.plan;
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Writes a synthetic deployment with as many of its devices as the demo uses. */
function withFewerDevices(from: string, file: string): Deployment {
  const whole = loadDeployment(from);
  const written = parseDocument(readFileSync(whole.file, 'utf8'));
  const devices = written.get('devices');
  if (isSeq(devices)) devices.items.splice(demoDevices(whole));
  writeFileSync(file, String(written));
  return loadDeployment(file);
}

/** Half of what the most accurate model alone would need at the peak of the replay, to show what the gears save. */
function demoDevices({ devices, load, synthetic }: Deployment): number {
  const largest = synthetic?.models.at(-1);
  if (synthetic === undefined || largest === undefined) return devices.length;
  const most = Math.max(...synthetic.batches.map((batch) => (1_000 * batch) / (largest.fixedMs + batch * largest.perSampleMs)));
  return Math.min(devices.length, Math.ceil((PEAK_OF_PLAN * load.qpsMax) / most / 2));
}

function confPath(path: string): string {
  return fileURLToPath(new URL(`conf/${path}`, packageRoot()));
}
