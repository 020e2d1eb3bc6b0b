import { type ChildProcess, spawn } from 'node:child_process';
import { cpus } from 'node:os';
import type { OnnxDevice } from '../../engine/backend/onnx-backend.ts';
import { canPin } from '../../engine/backend/pin-thread.ts';
import { ConfigError } from '../../engine/errors.ts';
import { entry } from '../../engine/source.ts';
import { usableCores } from '../../engine/usable-cores.ts';
import { type LabelledData, loadLabelledData } from '../data/labelled-data.ts';
import { splitDigest } from '../data/split.ts';
import { requireLocalCores } from '../deployment/local-cores.ts';
import { type Deployment, type Device, deviceClass } from '../deployment.ts';
import { inFamilyOrder } from '../family-order.ts';
import { modelDigest } from '../file-digest.ts';
import { accuracyOf, type ModelProfile, type Profile } from '../profile.ts';
import { profileDigest } from '../profile-digest.ts';
import { warmUpSamples } from '../warm-up.ts';
import type { DeviceMeasurement, MeasureJob, MeasureProgress, ModelAnswers } from './measure-device.ts';
import type { MeasureMessage } from './measure-process.ts';
import { startEcho } from './transport.ts';
import { sampleSizesOf } from './validation-batches.ts';

export interface ProfileOptions {
  /** What is being done, and the fraction of the whole profile that is done. */
  readonly onProgress?: (step: string, fraction: number) => void;
  /** What the user should know, and may want to change. */
  readonly onWarning?: (warning: string) => void;
  /** Fewer measurements: seconds instead of half a minute, with noisier runtimes. */
  readonly quick?: boolean;
}

/** A kind of device to measure here. */
interface Target {
  readonly className: string;
  readonly device: OnnxDevice;
}

/**
 * Measures runtimes of the family on each kind of device, and records its answers to the validation samples on one of them.
 * Each kind is measured in a process of its own, its inference threads pinned to the cores of the first such device. Emulated
 * devices take the runtimes of the kind that they are like.
 * @throws ConfigError when models, data and classes do not fit together, or a kind of device cannot be measured here.
 */
export async function profileFamily(deployment: Deployment, options: ProfileOptions = {}): Promise<Profile> {
  const { onProgress, onWarning, quick = false } = options;
  const data = loadLabelledData(deployment);
  const labels = validationLabels(deployment, data);
  const targets = targetsOf(deployment);
  // Before measuring: weights that are missing are found at once, and files that change meanwhile are noticed.
  const digest = profileDigest(deployment);
  const measurements = new Map<string, DeviceMeasurement>();
  const echo = await startEcho();
  try {
    for (const [i, { className, device }] of targets.entries()) {
      const job: MeasureJob = { deployment, device, record: i === 0, quick, echoPort: echo.port };
      const measurement = await measureInChild(className, job, onWarning, ({ step, fraction }) =>
        onProgress?.(`profiling ${className}: ${step}`, (i + fraction) / targets.length),
      );
      measurements.set(className, measurement);
    }
  } finally {
    echo.close();
  }
  const first = measurements.get(targets[0].className);
  if (first?.answers === undefined) throw new Error('the first device recorded no answers');
  const classes = commonClasses(deployment, first.answers, labels);
  const classNames = [...new Set(deployment.devices.map(deviceClass))];
  const recordedOn = classNames.find((name) => measuredAs(name) === targets[0].className)!;
  if (profileDigest(deployment) !== digest)
    throw new ConfigError(
      `${deployment.file}: models or data were changed while they were profiled; run \`cascade profile\` again`,
    );
  const models = deployment.models.map((model, m): ModelProfile => {
    const { predictions, certainties } = first.answers![m];
    return {
      name: model.name,
      digest: modelDigest(model.file),
      memoryBytes: Math.max(...[...measurements.values()].map(({ models }) => models[m].memoryBytes)),
      runtimes: Object.fromEntries(classNames.map((name) => [name, measurements.get(measuredAs(name))!.models[m].curve])),
      predictions,
      certainties,
      quality: Float32Array.from(predictions, (prediction, i) => (prediction === labels[i] ? 1 : 0)),
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
    sizes: sampleSizesOf(data),
    split: splitDigest(data),
    labels,
    models: inFamilyOrder(models, recordedOn),
    overhead: first.overhead,
  };
  for (const warning of oddities(deployment, profile, first.answers)) onWarning?.(warning);
  return profile;
}

function validationLabels(deployment: Deployment, data: LabelledData): Int32Array {
  if (data.labels === undefined) {
    throw new ConfigError(
      `${deployment.file}: data: has no labels; name an integer .npy file in data.labels, or label each JSON line`,
    );
  }
  const { labels } = data;
  return data.validation.map((index) => labels[index]);
}

/** `emulated:cpu-1` runs as measured on `cpu-1`. */
function measuredAs(className: string): string {
  return className.replace(/^emulated:/, '');
}

/** The kinds of device to measure, those of real devices first: answers are recorded on the first. */
function targetsOf(deployment: Deployment): Target[] {
  const targets = new Map<string, Target>();
  const byKind = deployment.devices.toSorted((a, b) => Number(a.kind === 'emulated') - Number(b.kind === 'emulated'));
  // Of equal devices, one that is here.
  for (const device of byKind.toSorted((a, b) => Number(a.host !== 'local') - Number(b.host !== 'local'))) {
    const className = measuredAs(deviceClass(device));
    if (!targets.has(className)) targets.set(className, targetOf(deployment, device, className));
  }
  return [...targets.values()];
}

function targetOf(deployment: Deployment, device: Device, className: string): Target {
  switch (device.kind) {
    case 'cuda':
      return { className, device: { kind: 'cuda', deviceId: device.deviceId } };
    case 'cpu':
      requireLocalCores(deployment, device);
      return { className, device: { kind: 'cpu', threads: device.cores?.length ?? 1, cores: device.cores } };
    case 'emulated': {
      if (className === 'cuda') return { className, device: { kind: 'cuda', deviceId: 0 } };
      const threads = Number(/^cpu-(\d+)$/.exec(className)?.[1] ?? 0);
      const usable = usableCores();
      if (threads < 1 || threads > usable.length) {
        throw new ConfigError(
          `${deployment.file}: device ${device.id}: like: ${device.like} cannot be measured here; write cpu-1 to cpu-${usable.length}, or cuda where there is one`,
        );
      }
      // The last cores: the first ones serve interrupts.
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
    // After an outcome this changes nothing.
    child.on('exit', (code, signal) => {
      const how = signal ?? `code ${code}`;
      reject(new Error(`the process that measures ${className} ended with ${how} before it was done`));
    });
    child.send(job);
  });
}

function start(): ChildProcess {
  const { path, execArgv } = entry('plans/profiling/measure-process');
  // Standard output is the command's own; what a library prints there goes where messages go.
  return spawn(process.execPath, [...execArgv, path], {
    stdio: ['ignore', process.stderr, 'inherit', 'ipc'],
    serialization: 'advanced',
  });
}

function commonClasses(deployment: Deployment, answers: readonly ModelAnswers[], labels: Int32Array): number {
  const { models, classes, file } = deployment;
  const count = answers[0].classes;
  const other = answers.findIndex((answer) => answer.classes !== count);
  if (other !== -1) {
    throw new ConfigError(
      `${file}: model ${models[other].name} gives ${answers[other].classes} class scores, model ${models[0].name} ${count}; a family shares its classes`,
    );
  }
  if (classes !== undefined && classes.length !== count) {
    throw new ConfigError(`${file}: classes: names ${classes.length} classes; the models give ${count} class scores`);
  }
  if (count < 2) throw new ConfigError(`${file}: the models give ${count} class score; a cascade needs at least 2 classes`);
  const stray = labels.findIndex((label) => label >= count);
  if (stray !== -1) {
    throw new ConfigError(`${file}: data.labels: label ${stray} is ${labels[stray]}; the models know classes 0 to ${count - 1}`);
  }
  return count;
}

/** What is allowed, but hardly meant. */
function oddities(deployment: Deployment, profile: Profile, answers: readonly ModelAnswers[]): readonly string[] {
  const warnings: string[] = [];
  if (deployment.scores === 'logits' && typeof deployment.certainty === 'string' && answers.every((a) => a.probabilities)) {
    warnings.push('all scores look like probabilities; write `scores: probabilities`, or softmax is applied to them again');
  }
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
