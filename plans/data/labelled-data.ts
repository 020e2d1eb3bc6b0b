import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { unzipSync } from 'fflate';
import { familyInputs } from '../../engine/backend/model-interface.ts';
import { readModelInterface } from '../../engine/backend/onnx-file.ts';
import { ConfigError, messageOf } from '../../engine/errors.ts';
import { describeSpec, type Sample, type TensorSpec } from '../../engine/tensor.ts';
import type { Deployment } from '../deployment.ts';
import { SYNTHETIC_INPUTS } from '../synthetic.ts';
import { dataOfSynthetic } from '../synthetic-deployment.ts';
import { arrayColumn, type Column } from './columns.ts';
import { readJsonLines } from './json-lines.ts';
import { labelsOf } from './labels.ts';
import { type NpyArray, readNpy } from './npy.ts';

/** The deployment's samples. The first part is for profiling and planning, the rest for load tests. */
export interface LabelledData {
  readonly count: number;
  /** Inputs of a sample, in this order. */
  readonly specs: readonly TensorSpec[];
  sample(index: number): Sample;
  /** Class of each sample. */
  readonly labels: Int32Array | undefined;
  /**
   * Half-open ranges of samples. All samples are for load tests too when validation takes all; with emulated devices the
   * validation samples are, as only their answers are recorded.
   */
  readonly validation: readonly [from: number, to: number];
  readonly load: readonly [from: number, to: number];
}

/**
 * The inputs that a sample of the deployment holds, in order, as the model files declare them: no model is loaded.
 * @throws ConfigError when a model file cannot be served, when the models disagree, or when `inputs` names no input.
 */
export function deploymentInputs(deployment: Deployment): readonly TensorSpec[] {
  if (deployment.synthetic !== undefined) return SYNTHETIC_INPUTS;
  const models = deployment.models.map((model) => ({
    name: model.name,
    inputs: readModelInterface(model.file, deployment.inputs).inputs,
  }));
  const specs = familyInputs(models);
  for (const name of Object.keys(deployment.inputs)) {
    if (!specs.some((spec) => spec.name === name)) {
      throw new ConfigError(
        `${deployment.file}: inputs.${name}: no model has this input; the models take ${specs.map((spec) => spec.name).join(', ')}`,
      );
    }
  }
  return specs;
}

/**
 * Reads the deployment's samples and labels.
 * @param specs of the inputs; by default as the model files declare them.
 * @throws ConfigError that names file and field when the data do not fit the models' inputs or the classes, or there are none.
 */
export function loadLabelledData(deployment: Deployment, specs = deploymentInputs(deployment)): LabelledData {
  const { data, classes } = deployment;
  if (deployment.synthetic !== undefined) return dataOfSynthetic(deployment);
  if (data === undefined) {
    throw new ConfigError(
      `${deployment.file}: data: is missing; name labelled samples, such as { inputs: { ${specs[0].name}: images.npy }, labels: labels.npy }`,
    );
  }
  const archives = new Map<string, Record<string, Uint8Array>>();
  const { columns, labels } = typeof data.inputs === 'string' ? readOneFile(data.inputs) : readColumns(data.inputs);
  const count = columns[0].count;
  columns.forEach((column, i) => {
    if (column.count !== count)
      throw new ConfigError(
        `data.inputs.${specs[i].name} has ${column.count} samples, data.inputs.${specs[0].name} has ${count}; they must be as many`,
      );
  });
  if (labels !== undefined && labels.length !== count) {
    throw new ConfigError(`data.labels has ${labels.length} labels for ${count} samples; they must be as many`);
  }
  const split = Math.min(count, Math.max(1, Math.round(count * data.validation)));
  const emulated = deployment.devices.some(({ kind }) => kind === 'emulated');
  return {
    count,
    specs,
    sample: (index) => columns.map((column) => column.tensor(index)),
    labels,
    validation: [0, split],
    load: emulated ? [0, split] : split < count ? [split, count] : [0, count],
  };

  function readOneFile(path: string): { columns: Column[]; labels: Int32Array | undefined } {
    if (!/\.npz$/i.test(path)) {
      if (data?.labels !== undefined) {
        throw new ConfigError(`${deployment.file}: data.labels: JSON lines hold their labels themselves; leave it out`);
      }
      return readJsonLines(path, specs, classes?.length);
    }
    const members = archive(path);
    const labelled = data?.labels ?? (Object.hasOwn(members, 'labels.npy') ? `${path}#labels` : undefined);
    return readColumns(Object.fromEntries(specs.map((spec) => [spec.name, `${path}#${spec.name}`])), labelled);
  }

  function readColumns(files: Readonly<Record<string, string>>, labelFile = data?.labels) {
    const extra = Object.keys(files).find((name) => !specs.some((spec) => spec.name === name));
    if (extra !== undefined) {
      throw new ConfigError(
        `${deployment.file}: data.inputs.${extra}: no model has this input; the models take ${specs.map((spec) => spec.name).join(', ')}`,
      );
    }
    return {
      columns: specs.map((spec) => {
        if (!Object.hasOwn(files, spec.name)) {
          throw new ConfigError(
            `${deployment.file}: data.inputs.${spec.name}: is missing; name a .npy file of ${describeSpec(spec)}`,
          );
        }
        const { array, name } = readArray(files[spec.name], spec.name, `data.inputs.${spec.name}`);
        return arrayColumn(spec, array, name);
      }),
      labels: labelFile === undefined ? undefined : readLabels(labelFile),
    };
  }

  function readLabels(file: string): Int32Array {
    const { array, name } = readArray(file, 'labels', 'data.labels');
    return labelsOf(array, classes?.length, name);
  }

  /**
   * `x.npy`, `x.npz#member`, or `x.npz` with a member of the given name.
   * @param field of the deployment that names it; the array is called by both in messages.
   */
  function readArray(path: string, member: string, field: string): { array: NpyArray; name: string } {
    const [, zip, chosen] = /^(.*\.npz)(?:#(.*))?$/i.exec(path) ?? [];
    const named = (what: string): string => `${what} (${field})`;
    if (zip === undefined) {
      const name = named(basename(path));
      return { array: readNpy(readFileSync(path), name), name };
    }
    const members = archive(zip);
    const key = `${chosen ?? member}.npy`;
    const name = named(`${basename(zip)}#${chosen ?? member}`);
    if (!Object.hasOwn(members, key)) {
      throw new ConfigError(`${name} does not exist; the archive has ${Object.keys(members).join(', ').replaceAll('.npy', '')}`);
    }
    return { array: readNpy(members[key], name), name };
  }

  function archive(path: string): Record<string, Uint8Array> {
    let members = archives.get(path);
    if (members === undefined) {
      try {
        members = unzipSync(readFileSync(path));
      } catch (error) {
        throw new ConfigError(`${path} is not a .npz archive (${messageOf(error)}); write it with numpy.savez`);
      }
      archives.set(path, members);
    }
    return members;
  }
}
