import { ConfigError } from '../../engine/errors.ts';
import { NO_NUMBER } from '../domain/cascade/certainty.ts';
import { type Deployment, type Device, deviceClass } from '../domain/deployment/deployment.ts';
import { canRun } from '../domain/deployment/model-entry.ts';
import { measuredMeanQps, rangeWeights } from '../domain/deployment/range-weights.ts';
import type { PlanDevice } from '../domain/profile/batch-cost.ts';
import type { Profile } from '../domain/profile/profile.ts';
import type { PlanRequest } from './plan-request.ts';

/** Settings that the command line overrides. */
export interface PlanOverrides {
  readonly p95Ms?: number;
  readonly accuracy?: number;
  readonly qpsMax?: number;
  readonly ranges?: number;
  readonly seed?: number;
}

/** @throws ConfigError if deployment and profile do not belong together, or no model answers any sample. */
export function planRequestOf(deployment: Deployment, profile: Profile, overrides: PlanOverrides): PlanRequest {
  requireAnswers(deployment, profile);
  const qpsMax = overrides.qpsMax ?? deployment.load.qpsMax;
  const ranges = overrides.ranges ?? deployment.load.ranges;
  const slo =
    overrides.p95Ms !== undefined
      ? ({ type: 'latency', p95Ms: overrides.p95Ms } as const)
      : overrides.accuracy !== undefined
        ? ({ type: 'accuracy', accuracy: overrides.accuracy } as const)
        : deployment.slo;
  return {
    deployment: deployment.name,
    profile,
    devices: planDevices(deployment, profile),
    maxBatch: maxBatches(deployment, profile),
    slo,
    qpsMax,
    meanQps: measuredMeanQps(deployment.load),
    weights: rangeWeights({ ...deployment.load, qpsMax, ranges }),
    seed: overrides.seed ?? 1,
  };
}

function requireAnswers({ file }: Deployment, { models }: Profile): void {
  if (models.some(({ certainties }) => certainties.some((certainty) => certainty !== NO_NUMBER))) return;
  throw new ConfigError(
    `${file}: every model answered NaN for every validation sample, so there is nothing to plan; check the models and the scale of their inputs, and run \`cascade profile\` again`,
  );
}

/** @throws ConfigError for a device whose kind was not profiled, or not with every model that it can run. */
export function planDevices(deployment: Deployment, profile: Profile): PlanDevice[] {
  return deployment.devices.map((device) => ({
    id: device.id,
    deviceClass: profiledClass(device, deployment, profile),
    memoryBytes: device.memoryBytes,
  }));
}

/** Per model of the profile: the deployment's limit on batches. */
export function maxBatches(deployment: Deployment, profile: Profile): (number | undefined)[] {
  return profile.models.map(({ name }) => {
    const entry = deployment.models.find((model) => model.name === name);
    if (entry === undefined)
      throw new ConfigError(
        `the profile holds model ${name}, which ${deployment.file} does not name; run \`cascade profile\` again`,
      );
    return entry.maxBatch;
  });
}

/** An emulated device uses the runtimes of the class it is like if the profile has none for its own. */
function profiledClass(device: Device, deployment: Deployment, profile: Profile): string {
  const names = device.kind === 'emulated' ? [deviceClass(device), device.like] : [deviceClass(device)];
  const found = names.find((name) => profile.models.some((model) => model.runtimes[name] !== undefined));
  if (found !== undefined) {
    const entries = new Map(deployment.models.map((model) => [model.name, model]));
    const lacking = profile.models.find(({ name, runtimes }) => {
      const entry = entries.get(name);
      return entry !== undefined && canRun(device, entry) && runtimes[found] === undefined;
    });
    if (lacking === undefined) return found;
    throw new ConfigError(
      `${deployment.file}: device ${device.id} is of class ${found}, for which the profile holds no runtimes of model ${lacking.name}: run \`cascade profile\` again`,
    );
  }
  const profiled = [...new Set(profile.models.flatMap((model) => Object.keys(model.runtimes)))].join(', ');
  throw new ConfigError(
    `${deployment.file}: device ${device.id} is of class ${names.join(' or ')}; the profile holds ${profiled}: run \`cascade profile\` again`,
  );
}
