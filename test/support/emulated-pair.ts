import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GearPlan } from '../../plans/domain/gear-plan/gear-plan.ts';
import { readPlan } from '../../plans/domain/gear-plan/plan-file.ts';
import type { Profile } from '../../plans/domain/profile/profile.ts';
import { readProfile } from '../../plans/domain/profile/profile-file.ts';
import { profileAndPlan, runCascade } from './cascade.ts';

interface PairSettings {
  readonly name: string;
  /** The deployment's `nats` section, as YAML. */
  readonly nats: string;
  /** Hosts of the devices a and b; devices on one host share a process. Default: the host that serves. */
  readonly hosts?: readonly [string, string];
  /** Default 1. */
  readonly frontends?: number | 'in-devices';
  /** Factor on the time of each batch; the planned load is divided by it. Default: 1. */
  readonly slower?: number;
}

/** Planned load in requests per second, unless devices are slower; one of the two devices carries it alone, too. */
export const PAIR_QPS_MAX = 600;

/** Writes, profiles and plans a deployment of two emulated devices that both hold both models. */
export async function writeEmulatedPair(folder: string, settings: PairSettings): Promise<Profile> {
  const { name, nats, hosts = ['local', 'local'], frontends = 1, slower = 1 } = settings;
  writeFileSync(
    join(folder, 'deployment.yaml'),
    `name: ${name}
synthetic:
  models:
    - { name: small, accuracy: 0.7, fixed: ${2 * slower}ms, perSample: ${0.2 * slower}ms, memory: 1GB }
    - { name: large, accuracy: 0.9, fixed: ${4 * slower}ms, perSample: ${0.5 * slower}ms, memory: 1GB }
  samples: 400
  batches: [1, 2, 4, 8, 16, 32]
devices:
  - { id: a, kind: emulated, like: gpu, memory: 16GB, host: ${hosts[0]} }
  - { id: b, kind: emulated, like: gpu, memory: 16GB, host: ${hosts[1]} }
slo: { p95: ${200 * slower}ms }
deadline: 30s
load: { qpsMax: ${PAIR_QPS_MAX / slower}, ranges: 4 }
frontends: ${frontends}
nats: ${nats}
`,
  );
  await profileAndPlan(folder);
  return readProfile(join(folder, 'profile.json'));
}

/** Makes another plan for the same deployment, in which device b holds only one model. Profile and first plan must exist. */
export async function planWithSmallerB(folder: string): Promise<GearPlan> {
  const [changed, out] = [join(folder, 'smaller.yaml'), join(folder, 'smaller-plan.json')];
  const yaml = readFileSync(join(folder, 'deployment.yaml'), 'utf8');
  writeFileSync(changed, yaml.replace(/(id: b,.*memory:) 16GB/, '$1 1GB'));
  const end = await runCascade(['plan', changed, '--profile', join(folder, 'profile.json'), '--out', out]);
  if (end.code !== 0) throw new Error(end.stderr);
  return readPlan(out);
}
