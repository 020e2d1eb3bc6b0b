import { existsSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ConfigError, messageOf } from '../../../engine/errors.ts';
import { readText } from '../../../engine/read-file.ts';
import { splitMember } from '../../data/member-path.ts';
import { defaultDeadlineMs } from '../../policy/deadline.ts';
import { defaultDrainMs } from '../../policy/gear-choice.ts';
import { DEADLINE_MAX_MS } from '../../protocol/request.ts';
import type { Deployment, Device, DurableSettings, Load } from './deployment.ts';
import { escapeVariables, expandVariables } from './from-environment.ts';
import { remoteFile } from './model-entry.ts';
import { remoteProblems } from './remote-problems.ts';
import { type DeploymentYaml, deploymentSchema } from './schema.ts';
import { displayPath, shown } from './shown.ts';
import { syntheticEntries, syntheticProblems, syntheticSettings } from './synthetic-settings.ts';
import { taskProblems } from './task-problems.ts';
import { checkYaml, type Problem } from './yaml-problems.ts';

/** A deployment, or as much of it as can be read from a file with problems. */
export interface ReadDeployment {
  /** Without the parts that have problems; undefined if too little is left. */
  readonly deployment: Deployment | undefined;
  /** One line per problem: `file:line:col path: what is wrong; what would be right`. */
  readonly problems: readonly string[];
}

/** Used in place of missing required values, so that the rest of the file can still be checked. */
const STAND_INS = {
  name: 'unnamed',
  slo: { p95: 100 },
  load: { qpsMax: 1 },
  devices: [{ id: 'none', kind: 'cpu', memory: 1 }],
};

/**
 * Reads and checks a deployment.
 * @param path the YAML file, or the folder that holds a `deployment.yaml`.
 * @param modelFiles `anywhere`: they need not be where the deployment says, because devices keep copies.
 * @throws ConfigError with one line `file:line:col path: what is wrong; what would be right` per problem.
 */
export function loadDeployment(path: string, modelFiles: 'on-disk' | 'anywhere' = 'on-disk'): Deployment {
  const { deployment, problems } = readDeployment(path, modelFiles);
  if (deployment === undefined || problems.length > 0) throw new ConfigError(problems.join('\n'));
  return deployment;
}

/**
 * Like `loadDeployment`, but returns everything that is wrong.
 * @throws ConfigError when there is no such file, or it is not YAML.
 */
export function readDeployment(path: string, modelFiles: 'on-disk' | 'anywhere' = 'on-disk'): ReadDeployment {
  const file = resolve(isFolder(path) ? join(path, 'deployment.yaml') : path);
  const label = displayPath(file);
  if (!existsSync(file))
    throw new ConfigError(`${label} does not exist; name a deployment file, or a folder with deployment.yaml`);
  return parseDeployment(readText(file, label), file, modelFiles);
}

/**
 * Like `readDeployment`, for the text of a file that need not be written yet.
 * @param file its absolute path.
 */
export function parseDeployment(text: string, file: string, modelFiles: 'on-disk' | 'anywhere' = 'on-disk'): ReadDeployment {
  const checked = checkYaml(text, displayPath(file), deploymentSchema, 'nats', STAND_INS);
  const yaml = checked.value;
  if (yaml === undefined) return { deployment: undefined, problems: checked.describe([]) };
  // Check how the parts fit together only if each part is valid.
  const problems: Problem[] =
    checked.problems.length > 0
      ? []
      : [
          ...duplicates(yaml.models ?? [], ['models'], 'name'),
          ...duplicates(yaml.synthetic?.models ?? [], ['synthetic', 'models'], 'name'),
          ...duplicates(yaml.devices, ['devices'], 'id'),
          ...syntheticProblems(yaml),
          ...taskProblems(yaml),
          ...remoteProblems(yaml),
        ];
  const dir = dirname(file);
  const resolveFile = (at: Problem['path'], given: string): string => {
    const absolute = resolve(dir, given);
    const { file: onDisk } = splitMember(absolute);
    if (!existsSync(onDisk)) problems.push({ path: at, message: `${given} does not exist (looked in ${displayPath(dir)})` });
    else if (!statSync(onDisk).isFile()) problems.push({ path: at, message: `${given} is not a file` });
    return absolute;
  };
  const modelFile = (i: number, { file: given, remote }: NonNullable<DeploymentYaml['models']>[number]): string => {
    if (given === undefined) return remoteFile(remote ?? { name: '' });
    return modelFiles === 'anywhere' ? resolve(dir, given) : resolveFile(['models', i, 'file'], given);
  };
  /** For the NATS connection. If the path names a variable, we look for the file only when a command connects. */
  const natsFile = (at: Problem['path'], given: string | undefined) => {
    const { text = given, unset = [] } = given === undefined ? {} : expandVariables(given);
    // The connection expands the path again.
    return unset.length > 0 ? given : escapeVariables(optionalFile(at, text));
  };
  const optionalFile = (at: Problem['path'], given: string | undefined) =>
    given === undefined ? undefined : resolveFile(at, given);

  const deployment: Deployment = {
    name: yaml.name,
    dir,
    file,
    models:
      yaml.synthetic === undefined
        ? (yaml.models ?? []).map((model, i) => ({ ...model, file: modelFile(i, model) }))
        : syntheticEntries(yaml.synthetic),
    synthetic: yaml.synthetic && syntheticSettings(yaml.synthetic),
    task: yaml.task,
    tolerance: yaml.tolerance,
    output: yaml.output,
    certainty: yaml.certainty,
    scores: yaml.scores,
    inputs: yaml.inputs,
    classes: yaml.classes,
    data: yaml.data && {
      inputs:
        typeof yaml.data.inputs === 'string'
          ? resolveFile(['data', 'inputs'], yaml.data.inputs)
          : Object.fromEntries(
              Object.entries(yaml.data.inputs).map(([name, given]) => [name, resolveFile(['data', 'inputs', name], given)]),
            ),
      labels: optionalFile(['data', 'labels'], yaml.data.labels),
      quality:
        typeof yaml.data.quality === 'object'
          ? Object.fromEntries(
              Object.entries(yaml.data.quality).map(([name, given]) => [name, resolveFile(['data', 'quality', name], given)]),
            )
          : optionalFile(['data', 'quality'], yaml.data.quality),
      validation: yaml.data.validation,
      order: yaml.data.order,
    },
    devices: yaml.devices.map((device, i) =>
      deviceOf(yaml, device, (given, key) => optionalFile(['devices', i, 'tls', key], given)),
    ),
    slo:
      yaml.slo.p95 === undefined ? { type: 'accuracy', accuracy: yaml.slo.accuracy! } : { type: 'latency', p95Ms: yaml.slo.p95 },
    load: { ...yaml.load, distribution: distributionOf(yaml.load) },
    nats: {
      servers: yaml.nats.servers,
      user: yaml.nats.user,
      password: yaml.nats.password,
      token: yaml.nats.token,
      credsFile: natsFile(['nats', 'credsFile'], yaml.nats.credsFile),
      nkeyFile: natsFile(['nats', 'nkeyFile'], yaml.nats.nkeyFile),
      inboxPrefix: yaml.nats.inboxPrefix,
      replicas: yaml.nats.replicas,
      tls:
        yaml.nats.tls &&
        Object.fromEntries(Object.entries(yaml.nats.tls).map(([key, given]) => [key, natsFile(['nats', 'tls', key], given)])),
    },
    frontends: yaml.frontends,
    prefix: yaml.prefix,
    ...deadlinesOf(yaml),
    prepareTimeoutMs: yaml.prepareTimeout,
    gearRule: {
      alpha: yaml.alpha,
      backlogDrainMs:
        yaml.backlogDrain === 'never' ? Number.POSITIVE_INFINITY : (yaml.backlogDrain ?? defaultDrainMs(yaml.slo.p95)),
      windowMs: yaml.loadWindow,
      noiseBand: yaml.noiseBand,
      settleMs: yaml.settle === 'none' ? 0 : yaml.settle,
      measuredSpeed: yaml.measuredSpeed,
    },
    durable: yaml.durable && durableOf(yaml.durable),
    audit: yaml.audit,
    drift: driftOf(yaml.drift),
  };
  return { deployment, problems: checked.describe(problems) };

  function distributionOf({ distribution, qpsMax }: DeploymentYaml['load']): Load['distribution'] {
    if (distribution.histogram === undefined) return { type: 'zipf', exponent: distribution.zipf! };
    const at = ['load', 'distribution', 'histogram'];
    const given = distribution.histogram;
    const histogram = typeof given === 'string' ? readHistogram(resolveFile(at, given), qpsMax) : { qpsMax, weights: given };
    if (typeof histogram === 'string') problems.push({ path: at, message: `${given} ${histogram}` });
    else if (!histogram.weights.some((weight) => weight > 0)) problems.push({ path: at, message: 'has no weight above 0' });
    else return { type: 'histogram', ...histogram };
    return { type: 'histogram', qpsMax, weights: [1] };
  }
}

function driftOf({ replanInterval, ...drift }: DeploymentYaml['drift']): Deployment['drift'] {
  return { ...drift, replanIntervalMs: replanInterval };
}

function deviceOf(
  { models = [] }: DeploymentYaml,
  { memory, ...device }: DeploymentYaml['devices'][number],
  file: (given: string | undefined, key: string) => string | undefined,
): Device {
  if (device.kind === 'remote') {
    const { timeout, tls = {}, models: served, ...same } = device;
    return {
      ...same,
      // As much as anybody could ask for, and whole.
      memoryBytes: memory ?? Number.MAX_SAFE_INTEGER,
      models: served ?? models.filter(({ remote }) => remote !== undefined).map(({ name }) => name),
      timeoutMs: timeout,
      tls: { ca: file(tls.ca, 'ca'), cert: file(tls.cert, 'cert'), key: file(tls.key, 'key') },
    };
  }
  const memoryBytes = memory!;
  if (device.kind === 'cpu') return { ...device, cores: device.cores, memoryBytes };
  return { ...device, memoryBytes };
}

function deadlinesOf({ deadline, slo }: DeploymentYaml): Pick<Deployment, 'deadlineMs' | 'maxDeadlineMs'> {
  const { default: named, max } = typeof deadline === 'object' ? deadline : { default: deadline, max: DEADLINE_MAX_MS };
  return { deadlineMs: named ?? Math.min(max, defaultDeadlineMs(slo.p95)), maxDeadlineMs: max };
}

function durableOf({ maxAge, ackWait, keepAnswers, ...same }: NonNullable<DeploymentYaml['durable']>): DurableSettings {
  return {
    ...same,
    maxAgeMs: maxAge === 'never' ? Number.POSITIVE_INFINITY : maxAge,
    ackWaitMs: ackWait,
    keepAnswersMs: keepAnswers === 'never' ? 0 : keepAnswers,
  };
}

function duplicates<K extends string>(
  entries: readonly Readonly<Record<K, string>>[],
  list: readonly string[],
  key: K,
): Problem[] {
  const first = new Map<string, number>();
  return entries.flatMap((entry, i) => {
    const before = first.get(entry[key]);
    if (before === undefined) first.set(entry[key], i);
    return before === undefined
      ? []
      : [
          {
            path: [...list, i, key],
            message: `${JSON.stringify(entry[key])} is already the ${key} of ${list.join('.')}[${before}]`,
          },
        ];
  });
}

/** The measured histogram in a JSON file, or a message saying what is wrong with it. */
function readHistogram(file: string, qpsMax: number): { qpsMax: number; weights: number[] } | string {
  if (!existsSync(file)) return { qpsMax, weights: [1] }; // reported with its path by the caller
  let parsed: unknown;
  try {
    parsed = JSON.parse(readText(file, 'it'));
  } catch (error) {
    return `is not JSON: ${messageOf(error)}`;
  }
  const given = (Array.isArray(parsed) ? { qpsMax, weights: parsed } : parsed) as { qpsMax?: unknown; weights?: unknown } | null;
  const weights: unknown[] | undefined = Array.isArray(given?.weights) ? given.weights : undefined;
  const max = given?.qpsMax;
  if (
    weights === undefined ||
    weights.length === 0 ||
    !weights.every((w) => typeof w === 'number' && w >= 0 && Number.isFinite(w))
  )
    return 'does not hold weights of 0 or more; write [3, 2, 1] or { "qpsMax": 4000, "weights": [3, 2, 1] }';
  if (typeof max !== 'number' || !(max > 0) || !Number.isFinite(max)) return `has qpsMax ${shown(max)}; write a number above 0`;
  return { qpsMax: max, weights: weights as number[] };
}

function isFolder(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory();
}
