import { statSync } from 'node:fs';
import { fileProblem } from '../../engine/backend/file-kind.ts';
import { ConfigError } from '../../engine/errors.ts';
import { headOf } from '../../engine/read-file.ts';
import { DTYPES, type TensorSpec } from '../../engine/tensor/tensor.ts';
import { transposed } from '../data/columns.ts';
import type { DataFiles } from '../data/data-files.ts';
import { describeArray, sampleShape } from '../data/fit-array.ts';
import type { DataArray } from '../data/npy.ts';
import { readNpyHeader } from '../data/npy.ts';
import type { PassedOver } from './passed-over.ts';
import { type Role, roleOf } from './role.ts';

/** An array that may be an input or the labels. */
export interface ArrayCandidate {
  /** Absolute, including the archive member: `/data/mnist.npz#x_test`. */
  readonly path: string;
  /** Short form for people. */
  readonly name: string;
  readonly dtype: DataArray['dtype'];
  readonly shape: readonly number[];
  readonly role: Role;
}

/** The arrays in `.npy` files and `.npz` archives; unreadable ones are skipped. */
export function arrayCandidates(files: readonly string[], data: DataFiles, passedOver: PassedOver): readonly ArrayCandidate[] {
  const found: ArrayCandidate[] = [];
  for (const file of files.filter((name) => /\.np[yz]$/i.test(name))) {
    const name = passedOver.name(file);
    orPassOver(file, () => {
      const head = headOf(file);
      const problem = fileProblem(file, head);
      if (problem !== undefined) throw new ConfigError(problem);
      if (/\.npy$/i.test(file)) found.push(candidate(file, name, head, statSync(file).size));
      else found.push(...membersOf(file, name, data.archive(file)));
    });
  }
  return found;

  function orPassOver(file: string, read: () => void): void {
    try {
      read();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      passedOver.add(file, error);
    }
  }
}

/** @throws ConfigError when no member can be read. */
function membersOf(file: string, name: string, members: Readonly<Record<string, Uint8Array>>): readonly ArrayCandidate[] {
  const found: ArrayCandidate[] = [];
  let problem: ConfigError | undefined;
  for (const [member, bytes] of Object.entries(members)) {
    const [path, shown] = [file, name].map((text) => `${text}#${member.replace(/\.npy$/, '')}`);
    try {
      found.push(candidate(path, shown, bytes, bytes.length));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problem ??= error;
    }
  }
  if (found.length === 0 && problem !== undefined) throw problem;
  return found;
}

function candidate(path: string, name: string, head: Uint8Array, bytes: number): ArrayCandidate {
  const { element, shape } = readNpyHeader(head, name, bytes);
  return { path, name, dtype: element.dtype, shape, role: roleOf(name) };
}

export function describeCandidate({ name, dtype, shape }: ArrayCandidate): string {
  return `${name} is ${dtype}[${shape.join(', ')}]`;
}

/** Why the array cannot hold the input's values; undefined when it can. */
export function misfitInput(spec: TensorSpec, array: ArrayCandidate): string | undefined {
  const fits = sampleShape(spec, array.shape) !== undefined && (array.dtype === 'text') === (spec.dtype === 'string');
  if (fits) return undefined;
  return `${describeCandidate(array)}, but the models need ${spec.name} ${describeArray(spec)}${transposed(spec, array.shape)}`;
}

/** Why an array beside the chosen data is not used. @param count of the chosen samples. */
export function whyUnused(array: ArrayCandidate, specs: readonly TensorSpec[], count: number): string {
  const is = `is ${array.dtype}[${array.shape.join(', ')}]`;
  if (isLabelName(array.name) && array.shape[0] !== count) return `${is}, but there are ${count} samples`;
  if (specs.some((spec) => misfitInput(spec, array) === undefined)) return 'other data also fit, and are preferred';
  return `${is}: neither the samples nor their labels, judging by name and shape`;
}

const INPUT_NAMES = /(^|[^a-z])(x|images?|data|inputs?|features?|texts?|pixels?|samples?)([^a-z]|$)/i;
const LABEL_NAMES = /(^|[^a-z])y(?![a-z])|label|target|class|^y[A-Z]/i;

/** Whether an array is called like the input. */
export function isNamedLike({ name }: TensorSpec, array: ArrayCandidate): boolean {
  return baseOf(array.name).toLowerCase().includes(name.toLowerCase());
}

/** How likely an array is to be the input, by its name and type: higher is likelier. */
export function inputScore(spec: TensorSpec, array: ArrayCandidate): number {
  const { name, dtype } = array;
  const base = baseOf(name);
  return (
    (base === spec.name ? 32 : 0) +
    (isLabelName(name) ? 0 : 16) +
    (isNamedLike(spec, array) ? 8 : 0) +
    (INPUT_NAMES.test(base) ? 4 : 0) +
    (dtype === spec.dtype ? 2 : 0)
  );
}

/** How likely an array is to hold the labels of `count` samples: higher is likelier; undefined when it cannot. */
export function labelScore({ name, dtype, shape }: ArrayCandidate, count: number): number | undefined {
  const [samples, width = 1] = shape;
  const named = isLabelName(name);
  if (samples !== count || shape.length > 2 || (width > 1 && (!named || dtype === 'text'))) return undefined;
  const whole = dtype === 'text' || DTYPES[dtype].integer !== undefined;
  return whole || named ? (named ? 4 : 0) + (whole ? 2 : 0) + (shape.length === 1 ? 1 : 0) : undefined;
}

function isLabelName(name: string): boolean {
  return LABEL_NAMES.test(baseOf(name));
}

/** `data/mnist.npz#x_test` and `data/x_test.npy` are both called x_test. */
function baseOf(name: string): string {
  return name.replace(/^.*[#/\\]/, '').replace(/\.npy$/i, '');
}
