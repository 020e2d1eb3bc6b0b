import { statSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import type { OutputSpec } from '../../engine/backend/backend.ts';
import { externalFiles } from '../../engine/backend/external-data.ts';
import { fileProblem } from '../../engine/backend/file-kind.ts';
import { familyInputs } from '../../engine/backend/model-interface.ts';
import { readModelInterface } from '../../engine/backend/onnx-file.ts';
import { ConfigError } from '../../engine/errors.ts';
import { headOf } from '../../engine/read-file.ts';
import { describeSpec, type TensorSpec } from '../../engine/tensor/tensor.ts';
import type { PassedOver } from './passed-over.ts';
import { type TritonModel, tritonModel } from './triton.ts';

export interface FoundModel {
  readonly name: string;
  /** Absolute path. */
  readonly file: string;
  /** Size of the file and of its external weights. */
  readonly bytes: number;
  /** With the family's names. */
  readonly inputs: readonly TensorSpec[];
  /** Input of the model -> input of the family, where the names differ. */
  readonly renamed: Readonly<Record<string, string>> | undefined;
  readonly outputs: readonly OutputSpec[];
  /** Batch size, if the graph fixes it. */
  readonly fixedBatch: number | undefined;
  /** Class names in the graph, in the order of the scores. */
  readonly classLabels: readonly (string | number)[] | undefined;
  readonly triton: TritonModel | undefined;
}

/**
 * The models that belong together, smallest first: the largest set that takes the same inputs. It skips all others and records why.
 */
export function findModels(root: string, files: readonly string[], passedOver: PassedOver): readonly FoundModel[] {
  const onnx = newestVersions(
    files.filter((file) => /\.onnx$/i.test(file)),
    passedOver,
  );
  const models = onnx.flatMap((file) => {
    const model = readModel(root, file, passedOver);
    return model === undefined ? [] : [model];
  });
  const [family = [], ...others] = familiesOf(models);
  for (const model of others.flat()) passedOver.add(model.file, differs(model, family));
  return named(family.toSorted((a, b) => a.bytes - b.bytes || (a.file < b.file ? -1 : 1)));
}

/** Of the versions of a model in a Triton repository, only the newest is used. */
function newestVersions(files: readonly string[], passedOver: PassedOver): readonly string[] {
  const newest = new Map<string, number>();
  const folderOf = (file: string): string => dirname(dirname(file));
  const versionOf = (file: string): number | undefined => tritonModel(file)?.version;
  for (const file of files) newest.set(folderOf(file), Math.max(newest.get(folderOf(file)) ?? 0, versionOf(file) ?? 0));
  return files.filter((file) => {
    const version = versionOf(file);
    const last = newest.get(folderOf(file));
    if (version === undefined || version === last) return true;
    passedOver.add(file, `version ${last} is newer`);
    return false;
  });
}

function readModel(root: string, file: string, passedOver: PassedOver): FoundModel | undefined {
  try {
    const problem = fileProblem(file, headOf(file));
    if (problem !== undefined) throw new ConfigError(problem);
    const { inputs, outputs, fixedBatch, classLabels } = readModelInterface(file, {});
    const parts = [file, ...externalFiles(file).map((part) => join(dirname(file), part))];
    for (const part of parts.slice(1)) {
      const damage = fileProblem(part, headOf(part));
      if (damage !== undefined) throw new ConfigError(`its weights are in ${basename(part)}, which ${damage}`);
    }
    const bytes = parts.reduce((sum, part) => sum + statSync(part).size, 0);
    const triton = tritonModel(file);
    return {
      name: nameOf(root, file, triton),
      file,
      bytes,
      renamed: undefined,
      inputs,
      outputs,
      fixedBatch,
      classLabels,
      triton,
    };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    passedOver.add(file, error);
    return undefined;
  }
}

/** Sets of models that accept the same samples, largest first. */
function familiesOf(models: readonly FoundModel[]): FoundModel[][] {
  const families: FoundModel[][] = [];
  for (const model of models) {
    const family = families.find((known) => joined(known, model) !== undefined);
    if (family === undefined) families.push([model]);
    else family.push(joined(family, model) as FoundModel);
  }
  return families.toSorted((a, b) => b.length - a.length);
}

/** The model as a member of the family, with inputs renamed if necessary; undefined when it needs other inputs. */
function joined(family: readonly FoundModel[], model: FoundModel): FoundModel | undefined {
  const names = [...new Set(family.flatMap(({ inputs }) => inputs.map((input) => input.name)))];
  const [own, ...more] = model.inputs;
  const shares = model.inputs.some((input) => names.includes(input.name));
  if (!shares && (names.length > 1 || more.length > 0)) return undefined;
  const [name] = names;
  const member = shares ? model : { ...model, inputs: [{ ...own, name }], renamed: { [own.name]: name } };
  try {
    familyInputs([...family, member]);
    return member;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return undefined;
  }
}

function differs(model: FoundModel, [first]: readonly FoundModel[]): string {
  const inputs = (of: FoundModel): string => of.inputs.map((spec) => `${spec.name} ${describeSpec(spec)}`).join(', ');
  return `takes ${inputs(model)}, but ${first.name} takes ${inputs(first)}; draft it in a separate folder`;
}

/** A file called model.onnx is named after the closest folder with a meaningful name. */
function nameOf(root: string, file: string, triton: TritonModel | undefined): string {
  if (triton !== undefined) return token(triton.name);
  const base = basename(file).replace(/\.onnx$/i, '');
  if (!GENERIC.test(base)) return token(base);
  const folders = relative(root, dirname(file)).split(/[/\\]/);
  return token(folders.findLast((folder) => folder !== '' && !GENERIC.test(folder)) ?? base);
}

const GENERIC = /^(model|onnx|models|\d+)$/i;

/** Makes equal names unique by their folders, or by numbers. */
function named(models: readonly FoundModel[]): readonly FoundModel[] {
  const count = (names: readonly string[], name: string): number => names.filter((other) => other === name).length;
  const plain = models.map(({ name }) => name);
  const names = models.map(({ name, file }) =>
    count(plain, name) === 1 ? name : token(`${basename(dirname(file))}-${basename(file).replace(/\.onnx$/i, '')}`),
  );
  return models.map((model, i) => {
    const before = count(names.slice(0, i), names[i]);
    return { ...model, name: before === 0 ? names[i] : `${names[i].slice(0, 60)}-${before + 1}` };
  });
}

/** Turns text into a valid token of a NATS subject. */
export function token(text: string): string {
  const cleaned = text.replace(/[^A-Za-z0-9_-]+/g, '-').slice(0, 64);
  return /^-?$/.test(cleaned) ? 'model' : cleaned;
}
