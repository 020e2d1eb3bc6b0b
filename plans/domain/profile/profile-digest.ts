import { createHash } from 'node:crypto';
import { ConfigError } from '../../../engine/errors.ts';
import { splitMember } from '../../data/member-path.ts';
import { type Deployment, deviceClass } from '../deployment/deployment.ts';
import type { ModelEntry } from '../deployment/model-entry.ts';
import { entryDigest, fileDigest } from './file-digest.ts';
import type { Profile } from './profile.ts';

/**
 * Digest of everything a profile depends on: contents of models and data, settings that change answers or runtimes, and kinds of
 * device; for a synthetic family, its figures. The SLO, the load and the number of devices are planned for rather than measured, so
 * they are not part of it.
 */
export function profileDigest(deployment: Deployment, digestOfModel: (model: ModelEntry) => string = entryDigest): string {
  const { data, synthetic } = deployment;
  const digestOf = (path: string): readonly unknown[] => {
    const { file, member } = splitMember(path);
    return [member, fileDigest(file)];
  };
  const dataFiles =
    data === undefined ? [] : typeof data.inputs === 'string' ? [['*', data.inputs]] : Object.entries(data.inputs);
  const subject = {
    name: deployment.name,
    models:
      synthetic === undefined
        ? deployment.models
            .map((model) => ({
              name: model.name,
              maxBatch: model.maxBatch,
              inputs: model.inputs,
              output: model.output,
              scores: model.scores,
              remote: model.remote,
              file: digestOfModel(model),
            }))
            // The order of the family is measured, so the order in the file does not matter.
            .sort((a, b) => (a.name < b.name ? -1 : 1))
        : synthetic,
    task: deployment.task,
    tolerance: deployment.tolerance,
    output: deployment.output,
    certainty: deployment.certainty,
    scores: deployment.scores,
    pads: Object.entries(deployment.inputs).sort(([a], [b]) => (a < b ? -1 : 1)),
    classes: deployment.classes,
    data: dataFiles.map(([name, path]) => [name, ...digestOf(path)]),
    labels: data?.labels === undefined ? undefined : digestOf(data.labels),
    // Left out of other tasks' digests, which so stay what they were.
    quality: qualityFiles(deployment)?.map(([models, path]) => [models, ...digestOf(path)]),
    validation: data?.validation,
    order: data?.order,
    devices: [...new Set(deployment.devices.map(deviceClass))].sort(),
  };
  return createHash('sha256').update(JSON.stringify(subject)).digest('hex');
}

/** The recorded qualities, and whose they are: the columns of a single file follow the order of the models. */
function qualityFiles({ data, models }: Deployment): readonly (readonly [models: unknown, path: string])[] | undefined {
  const quality = data?.quality;
  if (quality === undefined) return undefined;
  if (typeof quality === 'string') return [[models.map(({ name }) => name), quality]];
  return Object.entries(quality).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Whether the profile matches this deployment's current models, data, certainty and kinds of device. */
export function profileIsCurrent(deployment: Deployment, profile: Profile): boolean {
  return profile.deployment === deployment.name && profile.digest === profileDigest(deployment);
}

/**
 * For serving: the plan identifies the model files by digest, so they may differ from the profile's; everything else must match.
 * @throws ConfigError as `requireCurrent` does.
 */
export function requireSameSettings(deployment: Deployment, profile: Profile, path: string): void {
  const profiled = new Map(profile.models.map(({ name, digest }) => [name, digest]));
  requireDigest(deployment, profile, path, () => profileDigest(deployment, ({ name }) => profiled.get(name) ?? ''));
}

/**
 * @param path of the profile, for the message.
 * @throws ConfigError when the profile belongs to another deployment, or to other models, data, certainty or kinds of device.
 */
export function requireCurrent(deployment: Deployment, profile: Profile, path: string): void {
  requireDigest(deployment, profile, path, () => profileDigest(deployment));
}

function requireDigest(deployment: Deployment, profile: Profile, path: string, current: () => string): void {
  if (profile.deployment !== deployment.name) {
    throw new ConfigError(
      `${path} is a profile of deployment ${profile.deployment}, not of ${deployment.name} (${deployment.file})`,
    );
  }
  if (profile.digest !== current()) {
    throw new ConfigError(
      `${path} was measured with different models, data, certainty, batch sizes or kinds of device than ${deployment.file} has now; run \`cascade profile\` again`,
    );
  }
  // The digest is of the deployment, not of the file, which may have been edited.
  const [held, named] = [profile, deployment].map(({ models }) => models.map(({ name }) => name).toSorted());
  if (held.join() !== named.join()) {
    throw new ConfigError(
      `${path}: models: ${held.join(', ')}; ${deployment.file} has ${named.join(', ')}: run \`cascade profile\` again`,
    );
  }
}
