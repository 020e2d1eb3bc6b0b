import { type ChildProcess, spawn } from 'node:child_process';
import { cpus } from 'node:os';
import { canPin } from '../../engine/backend/pin-thread.ts';
import { ConfigError } from '../../engine/errors.ts';
import { usableCores } from '../../engine/process/usable-cores.ts';
import { entry } from '../../engine/source.ts';
import type { LabelledData } from '../data/labelled-data.ts';
import { loadLabelledData } from '../data/load-labelled-data.ts';
import { splitDigest } from '../data/split.ts';
import { type Deployment, type Device, deviceClass } from '../domain/deployment/deployment.ts';
import { requireLocalCores } from '../domain/deployment/local-cores.ts';
import { DEFAULT_MAX_PAYLOAD, misfitOf } from '../domain/deployment/message-size.ts';
import { canRun } from '../domain/deployment/model-entry.ts';
import { inFamilyOrder } from '../domain/profile/family-order.ts';
import { entryDigest } from '../domain/profile/file-digest.ts';
import { accuracyOf, type ModelProfile, type Profile } from '../domain/profile/profile.ts';
import { profileDigest } from '../domain/profile/profile-digest.ts';
import { familyClasses } from '../domain/task/family-classes.ts';
import { familyOutputs, type ModelOutputs } from '../domain/task/family-outputs.ts';
import { outputWarnings } from '../domain/task/output-warnings.ts';
import { commonColumns } from './common-columns.ts';
import type { DeviceMeasurement, MeasuredModel, MeasureJob, MeasureProgress, ModelAnswers } from './measure-device.ts';
import type { MeasureMessage } from './measure-process.ts';
import { remoteOutputs } from './remote-outputs.ts';
import type { TargetDevice } from './target-backend.ts';
import { startEcho } from './transport.ts';
import { sampleSizesOf } from './validation-batches.ts';
import { warmUpSamples } from './warm-up.ts';

export interface ProfileOptions {
  /** The current step, and the completed fraction of the whole profile. */
  readonly onProgress?: (step: string, fraction: number) => void;
  /** Something the user should know, and may want to change. */
  readonly onWarning?: (warning: string) => void;
  /** Fewer measurements: seconds instead of half a minute, with noisier runtimes. */
  readonly quick?: boolean;
}

/** A kind of device to measure. */
interface Target {
  readonly className: string;
  readonly device: TargetDevice;
  /** Devices of this kind that share one server, and so the number of batches it runs at once. */
  readonly lanes: number;
}

/**
 * Measures runtimes of the family on each kind of device, and records the answers of each model to the validation samples on one of them.
 * Each kind is measured in its own process, with inference threads pinned to the cores of its first device. Emulated devices
 * use the runtimes of the kind they emulate.
 * @throws ConfigError when models, data and classes do not fit together, or a kind of device cannot be measured here.
 */
export async function profileFamily(deployment: Deployment, options: ProfileOptions = {}): Promise<Profile> {
  const { onProgress, onWarning, quick = false } = options;
  const data = loadLabelledData(deployment);
  const labels = validationLabels(deployment, data);
  const outputs = familyOutputs(deployment, data, await remoteOutputs(deployment, data.specs));
  const chosen = { ...deployment, models: deployment.models.map((model, m) => ({ ...model, output: outputs[m].output })) };
  const targets = targetsOf(deployment);
  // Before measuring, to report missing weights at once, and to notice files that change meanwhile.
  const digest = profileDigest(deployment);
  const measurements = new Map<string, DeviceMeasurement>();
  const echo = await startEcho();
  try {
    const recorded = new Set<string>();
    for (const [i, { className, device, lanes }] of targets.entries()) {
      const models = chosen.models.filter((model) => canRun(device, model));
      const record = models.map(({ name }) => name).filter((name) => !recorded.has(name));
      for (const name of record) recorded.add(name);
      const job: MeasureJob = {
        deployment: chosen,
        models: models.map(({ name }) => name),
        device,
        lanes,
        record,
        quick,
        echoPort: echo.port,
      };
      const measurement = await measureInChild(className, job, onWarning, ({ step, fraction }) =>
        onProgress?.(`profiling ${className}: ${step}`, (i + fraction) / targets.length),
      );
      measurements.set(className, measurement);
    }
  } finally {
    echo.close();
  }
  const first = measurements.get(targets[0].className)!;
  const answers = deployment.models.map(({ name }) => answersOf(name, [...measurements.values()]));
  const classes = commonColumns(deployment, answers, data);
  const classNames = [...new Set(deployment.devices.map(deviceClass))];
  const recordedOn = classNames.find((name) => measuredAs(name) === targets[0].className)!;
  if (profileDigest(deployment) !== digest)
    throw new ConfigError(`${deployment.file}: models or data changed during profiling; run \`cascade profile\` again`);
  const models = deployment.models.map((model, m): ModelProfile => {
    const { predictions, certainties, quality, scores } = answers[m];
    const measured = (name: string): MeasuredModel | undefined =>
      measurements.get(measuredAs(name))!.models.find((each) => each.name === model.name);
    return {
      name: model.name,
      digest: entryDigest(model),
      memoryBytes: Math.max(...classNames.flatMap((name) => measured(name)?.memoryBytes ?? [])),
      runtimes: Object.fromEntries(
        classNames.flatMap((name) => {
          const curve = measured(name)?.curve;
          return curve === undefined ? [] : [[name, curve]];
        }),
      ),
      predictions,
      certainties,
      quality,
      ...(scores === undefined ? {} : { scores }),
      ...(outputs[m].output === undefined ? {} : { output: outputs[m].output }),
      outputs: outputs[m].all,
    };
  });
  const profile: Profile = {
    schema: 2,
    deployment: deployment.name,
    digest,
    synthetic: deployment.devices.some((device) => device.kind === 'emulated'),
    machine: `${cpus()[0]?.model ?? process.arch} x ${cpus().length}, Node ${process.versions.node}`,
    inputs: data.specs,
    warmUp: warmUpSamples(Array.from(data.validation, (index) => data.sample(index))),
    classes,
    ...(data.classes === undefined ? {} : { classNames: data.classes }),
    sizes: sampleSizesOf(data),
    split: splitDigest(data),
    labels,
    models: inFamilyOrder(models, recordedOn),
    overhead: first.overhead,
  };
  if (familyClasses(deployment) === undefined && data.classes !== undefined)
    onWarning?.(
      `the classes are numbered in the order of their names: ${data.classes.join(', ')}; if the scores are in another order, write \`classes: [...]\``,
    );
  const misfit = misfitOf(profile.warmUp, DEFAULT_MAX_PAYLOAD, 'a NATS server with default settings');
  if (misfit !== undefined) onWarning?.(misfit.message);
  for (const warning of oddities(deployment, profile, outputs, answers)) onWarning?.(warning);
  return profile;
}

/** Classes of the validation samples; all 0 when the task has none. */
function validationLabels({ file, task }: Deployment, { labels, targetWidth, validation }: LabelledData): Int32Array {
  if (task !== 'custom' && targetWidth === undefined) {
    throw new ConfigError(`${file}: data: has no labels; name a .npy file in data.labels, or label each JSON line`);
  }
  return labels === undefined ? new Int32Array(validation.length) : validation.map((index) => labels[index]);
}

/** `emulated:cpu-1` uses the measurements of `cpu-1`. */
function measuredAs(className: string): string {
  return className.replace(/^emulated:/, '');
}

function answersOf(model: string, measurements: readonly DeviceMeasurement[]): ModelAnswers {
  const answers = measurements.map(({ answers }) => answers.get(model)).find((found) => found !== undefined);
  if (answers === undefined) throw new Error(`no device recorded answers of ${model}`);
  return answers;
}

/** The kinds of device to measure, real devices first, because answers are recorded on the first one. */
function targetsOf(deployment: Deployment): Target[] {
  const targets = new Map<string, Target>();
  const byKind = deployment.devices.toSorted((a, b) => Number(a.kind === 'emulated') - Number(b.kind === 'emulated'));
  // Among equal devices, prefer a local one.
  for (const device of byKind.toSorted((a, b) => Number(a.host !== 'local') - Number(b.host !== 'local'))) {
    const className = measuredAs(deviceClass(device));
    const lanes = device.kind === 'remote' ? deployment.devices.filter((other) => deviceClass(other) === className).length : 1;
    if (!targets.has(className)) targets.set(className, { ...targetOf(deployment, device, className), lanes });
  }
  // What runs here first: it is measured without a network.
  const found = [...targets.values()].toSorted((a, b) => Number(a.device.kind === 'remote') - Number(b.device.kind === 'remote'));
  return found.filter(({ device }) => deployment.models.some((model) => canRun(device, model)));
}

function targetOf(deployment: Deployment, device: Device, className: string): Omit<Target, 'lanes'> {
  switch (device.kind) {
    case 'cuda':
      return { className, device: { kind: 'cuda', deviceId: device.deviceId } };
    case 'remote':
      return { className, device };
    case 'cpu':
      requireLocalCores(deployment, device);
      return { className, device: { kind: 'cpu', threads: device.cores?.length ?? 1, cores: device.cores } };
    case 'emulated': {
      if (className === 'cuda') return { className, device: { kind: 'cuda', deviceId: 0 } };
      const threads = Number(/^cpu-(\d+)$/.exec(className)?.[1] ?? 0);
      const usable = usableCores();
      if (threads < 1 || threads > usable.length) {
        throw new ConfigError(
          `${deployment.file}: device ${device.id}: like: ${device.like} cannot be measured here; write cpu-1 to cpu-${usable.length}, or cuda if there is one`,
        );
      }
      // The last cores, because the first ones serve interrupts.
      const cores = usable.slice(-threads);
      return { className, device: { kind: 'cpu', threads, cores } };
    }
  }
}

function measureInChild(
  className: string,
  job: MeasureJob,
  onWarning: ProfileOptions['onWarning'],
  onProgress: (progress: MeasureProgress) => void,
): Promise<DeviceMeasurement> {
  const cores = job.device.kind === 'cpu' ? (job.device.cores ?? []) : [];
  if (cores.length > 0 && !canPin()) onWarning?.(`${className}: measured without pinning, as this system has no taskset`);
  return new Promise((resolve, reject) => {
    const child = start();
    child.on('message', (message: MeasureMessage) => {
      if (message.type === 'progress') onProgress(message.progress);
      else if (message.type === 'measured') resolve(message.measurement);
      else reject(message.config ? new ConfigError(message.message) : new Error(message.message));
    });
    child.on('error', reject);
    // No effect after an outcome. Not at `exit`, when a large message may still be in transit.
    child.on('close', (code, signal) => {
      const how = signal ?? `code ${code}`;
      reject(new Error(`the process that measures ${className} ended with ${how} before it was done`));
    });
    child.send(job);
  });
}

function start(): ChildProcess {
  const { path, execArgv } = entry('plans/profiling/measure-process');
  // Standard output belongs to the command, so libraries that print there are redirected to stderr.
  return spawn(process.execPath, [...execArgv, path], {
    stdio: ['ignore', process.stderr, 'inherit', 'ipc'],
    serialization: 'advanced',
  });
}

/** Things that are allowed, but probably not intended. */
function oddities(
  deployment: Deployment,
  profile: Profile,
  outputs: readonly ModelOutputs[],
  answers: readonly ModelAnswers[],
): readonly string[] {
  const labels = deployment.task === 'classification' || deployment.task === 'binary' ? profile.labels : undefined;
  const warnings = deployment.models.flatMap((model, m) => outputWarnings(deployment, model, outputs[m], answers[m], labels));
  const names = profile.models.map(({ name }) => name).join(', ');
  if (names !== deployment.models.map(({ name }) => name).join(', '))
    warnings.push(`the family is ordered by measured time: ${names}; ${deployment.file} lists it in another order`);
  for (let m = 1; m < profile.models.length; m++) {
    const [before, model] = [profile.models[m - 1], profile.models[m]];
    if (accuracyOf(model) <= accuracyOf(before))
      warnings.push(`model ${model.name} is slower than ${before.name}, and not more accurate`);
  }
  return warnings;
}
