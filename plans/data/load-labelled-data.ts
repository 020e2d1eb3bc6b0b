import { familyInputs } from '../../engine/backend/model-interface.ts';
import { readModelInterface } from '../../engine/backend/onnx-file.ts';
import { ConfigError, forAll } from '../../engine/errors.ts';
import type { TensorSpec } from '../../engine/tensor/tensor.ts';
import { padProblem } from '../../engine/tensor/tensor-values.ts';
import type { Deployment } from '../domain/deployment/deployment.ts';
import { isOnServersOnly } from '../domain/deployment/model-entry.ts';
import { familyClasses } from '../domain/task/family-classes.ts';
import type { Task } from '../domain/task/task.ts';
import { taskOf } from '../domain/task/task-of.ts';
import { SYNTHETIC_INPUTS } from '../synthetic/synthetic.ts';
import { dataOfSynthetic } from '../synthetic/synthetic-deployment.ts';
import type { Column } from './columns.ts';
import type { LabelledData } from './labelled-data.ts';
import { withDeclaredLimit, withLimitOfData } from './length-limits.ts';
import { readSamples } from './read-samples.ts';
import { readQuality } from './recorded-quality.ts';
import { splitSamples } from './split.ts';
import { type Targets, targetReader } from './targets.ts';

/**
 * The inputs of a sample, in order, as declared in the model files; no model is loaded.
 * @throws ConfigError when a model file cannot be served, the models disagree, or `inputs` names an unknown input or an impossible `pad`.
 */
export function deploymentInputs(deployment: Deployment): readonly TensorSpec[] {
  if (deployment.synthetic !== undefined) return SYNTHETIC_INPUTS;
  const withFiles = deployment.models.filter((model) => !isOnServersOnly(model));
  const models = forAll(withFiles, (model) => ({
    name: model.name,
    inputs: readModelInterface(model.file, deployment.inputs, model.inputs).inputs,
  }));
  const specs = familyInputs([...models, ...declaredInputs(deployment)]);
  if (specs.length === 0) {
    throw new ConfigError(
      `${deployment.file}: inputs: all models are only on servers, so the inputs of a sample are unknown here; declare them as the servers do, ` +
        'such as { image: { datatype: UINT8, shape: [1, 28, 28] } }',
    );
  }
  for (const name of Object.keys(deployment.inputs)) {
    if (!specs.some((spec) => spec.name === name)) {
      throw new ConfigError(
        `${deployment.file}: inputs.${name}: no model has this input; the models have ${specs.map((spec) => spec.name).join(', ')}`,
      );
    }
  }
  for (const spec of specs) {
    const problem = padProblem(spec);
    if (problem !== undefined) throw new ConfigError(`${deployment.file}: ${problem}`);
  }
  return specs.map((spec) => withDeclaredLimit(spec, deployment));
}

/** What the deployment itself says of inputs. */
function declaredInputs({ file, inputs }: Deployment): { readonly name: string; readonly inputs: readonly TensorSpec[] }[] {
  const specs = Object.entries(inputs).flatMap(([name, { datatype, shape, pad, nan }]): TensorSpec[] => {
    if ((datatype === undefined) !== (shape === undefined))
      throw new ConfigError(`${file}: inputs.${name}: has only one of datatype and shape; write both or neither`);
    return datatype === undefined || shape === undefined
      ? []
      : [{ name, dtype: datatype, shape, pad, ...(nan === 'allow' ? { nan: true } : {}) }];
  });
  return specs.length === 0 ? [] : [{ name: '(as the deployment says)', inputs: specs }];
}

/**
 * Reads the deployment's samples and labels.
 * @param specs inputs; default: as declared in the model files.
 * @throws ConfigError that names file and field when the data do not fit the models' inputs or the classes, or are missing.
 */
export function loadLabelledData(deployment: Deployment, specs = deploymentInputs(deployment)): LabelledData {
  const { data, models, task } = deployment;
  if (deployment.synthetic !== undefined) return dataOfSynthetic(deployment);
  if (data === undefined) {
    throw new ConfigError(
      `${deployment.file}: data: is missing; name labelled samples, such as { inputs: { ${specs[0].name}: images.npy }, labels: labels.npy }`,
    );
  }
  const classes = familyClasses(deployment);
  const { columns, targets } = readSamples(deployment.file, data, specs, targetReader(task, classes));
  const count = columns[0].count;
  columns.forEach((column, i) => {
    if (column.count !== count)
      throw new ConfigError(
        `data.inputs.${specs[i].name} has ${column.count} samples, but data.inputs.${specs[0].name} has ${count}; the numbers must be equal`,
      );
  });
  const targetCount = targets === undefined ? count : targets.values.length / targets.width;
  if (targetCount !== count) {
    throw new ConfigError(`data.labels has ${targetCount} labels for ${count} samples; the numbers must be equal`);
  }
  const recorded = data.quality === undefined ? undefined : readQuality(data.quality, models, count);
  const labels = targets?.values instanceof Int32Array ? targets.values : undefined;
  const { validation, rest } = splitSamples(count, data.validation, data.order, labels);
  const emulated = deployment.devices.some(({ kind }) => kind === 'emulated');
  return {
    count,
    specs: specs.map((spec, i) => withLimitOfData(spec, shapesOf(columns[i]))),
    sample: (index) => columns.map((column) => column.tensor(index)),
    labels,
    classes: classes ?? targets?.classes,
    targetWidth: targets?.width,
    hasQuality: recorded !== undefined || targets !== undefined,
    qualityOf:
      recorded === undefined ? qualityBy(taskOf(deployment), targets) : (index, model) => recorded.get(model)?.[index] ?? null,
    validation,
    load: emulated || rest.length === 0 ? validation : rest,
  };
}

function qualityBy(task: Task, targets: Targets | undefined): LabelledData['qualityOf'] {
  if (targets === undefined) return () => null;
  const { values, width } = targets;
  return (index, _, prediction) => task.quality(prediction, values.subarray(index * width, (index + 1) * width));
}

function* shapesOf(column: Column): Iterable<readonly number[]> {
  for (let index = 0; index < column.count; index++) yield column.tensor(index).shape;
}
