import { ConfigError } from '../errors.ts';
import { DTYPE_NAMES, type Dtype, describeSpec, type TensorSpec } from '../tensor/tensor.ts';
import type { ModelInterface, OutputSpec } from './backend.ts';

/** An input or output as a model file declares it. Dimensions that are strings or below 1 are known only at run time. */
export interface ValueInfo {
  readonly name: string;
  /** ONNX name of the element type: `float32`, `bool`, `string` ... */
  readonly type: string;
  /** All axes, the batch first. */
  readonly shape: readonly (number | string)[];
}

/** The deployment's settings of inputs, by name. */
export type InputSettings = Readonly<Record<string, { readonly pad?: number | undefined; readonly nan?: 'refuse' | 'allow' }>>;

/**
 * A model's inputs and outputs per sample: without the batch axis; other axes of unknown length are ragged.
 * @param names input of the model -> input of the family, where they differ.
 * @throws ConfigError for what cannot be served: other element types, no batch axis, or batch axes of different sizes.
 */
export function interfaceOf(
  file: string,
  inputs: readonly ValueInfo[],
  outputs: readonly ValueInfo[],
  settings: InputSettings,
  names: Readonly<Record<string, string>> = {},
): ModelInterface {
  for (const own of Object.keys(names)) {
    if (!inputs.some(({ name }) => name === own)) {
      const known = inputs.map(({ name }) => name).join(', ');
      throw new ConfigError(`${file}: has no input ${own}, which the deployment maps to ${names[own]}; its inputs are ${known}`);
    }
  }
  return {
    inputs: inputs.map((input) =>
      specOf(file, input, settings, Object.hasOwn(names, input.name) ? names[input.name] : input.name),
    ),
    outputs: outputs.map(outputOf),
    fixedBatch: fixedBatchOf(file, inputs),
  };
}

/** @param called the family's name of the input. */
function specOf(file: string, { name, type, shape }: ValueInfo, settings: InputSettings, called: string): TensorSpec {
  if (!isDtype(type)) {
    throw new ConfigError(`${file}: input ${name} is ${type}; export the model with one of ${DTYPE_NAMES.join(', ')}`);
  }
  if (shape.length === 0) {
    throw new ConfigError(`${file}: input ${name} has no axes; export the model with a batch axis, the first`);
  }
  return {
    name: called,
    dtype: type,
    shape: shape.slice(1).map(length),
    pad: Object.hasOwn(settings, called) ? settings[called].pad : undefined,
    ...(Object.hasOwn(settings, called) && settings[called].nan === 'allow' ? { nan: true } : {}),
  };
}

function isDtype(type: string): type is Dtype {
  return (DTYPE_NAMES as readonly string[]).includes(type);
}

/** Runtimes report no axes if the file declares no shape. */
function outputOf({ name, type, shape }: ValueInfo): OutputSpec {
  return { name, type, shape: shape.length === 0 ? undefined : shape.slice(1).map(length) };
}

/** Inputs with a dynamic batch axis follow those that fix it. */
function fixedBatchOf(file: string, inputs: readonly ValueInfo[]): number | undefined {
  const [first, ...others] = inputs.filter(({ shape }) => length(shape[0]) !== null);
  const other = others.find(({ shape }) => shape[0] !== first.shape[0]);
  if (other !== undefined) {
    throw new ConfigError(
      `${file}: input ${first.name} has its batch axis (the first) fixed at ${first.shape[0]}, input ${other.name} at ${other.shape[0]}; export the model with one batch size, or better, with a dynamic one`,
    );
  }
  return first === undefined ? undefined : (first.shape[0] as number);
}

/** Exporters write -1 or a name for an unknown dimension. */
function length(dimension: number | string): number | null {
  return typeof dimension === 'number' && dimension > 0 ? dimension : null;
}

/**
 * The inputs of a whole family, in order of first appearance; each model takes some or all of them. An axis that any model fixes is
 * fixed for the family.
 * @throws ConfigError if two models disagree on an input's element type or shape.
 */
export function familyInputs(
  models: readonly { readonly name: string; readonly inputs: readonly TensorSpec[] }[],
): readonly TensorSpec[] {
  const family = new Map<string, { spec: TensorSpec; model: string }>();
  for (const model of models) {
    for (const input of model.inputs) {
      const known = family.get(input.name);
      if (known === undefined) {
        family.set(input.name, { spec: input, model: model.name });
        continue;
      }
      if (!fits(known.spec, input)) {
        throw new ConfigError(
          `input ${input.name} is ${describeSpec(known.spec)} in model ${known.model} and ${describeSpec(input)} in model ${model.name}; the models of a family take the same inputs`,
        );
      }
      const shape = input.shape.map((dimension, axis) => dimension ?? known.spec.shape[axis]);
      family.set(input.name, { spec: { ...known.spec, shape }, model: known.model });
    }
  }
  return [...family.values()].map(({ spec }) => spec);
}

/**
 * The position of each of a model's inputs in a sample of the family.
 * @throws ConfigError if the family's samples do not have one of the inputs.
 */
export function inputPositions(file: string, inputs: readonly TensorSpec[], family: readonly TensorSpec[]): number[] {
  return inputs.map((input) => {
    const position = family.findIndex((spec) => spec.name === input.name);
    const has = family.map((spec) => `${spec.name} ${describeSpec(spec)}`).join(', ');
    if (position === -1 || !fits(family[position], input)) {
      throw new ConfigError(`${file}: takes input ${input.name} ${describeSpec(input)}; the samples have ${has}`);
    }
    return position;
  });
}

function fits(a: TensorSpec, b: TensorSpec): boolean {
  return (
    a.dtype === b.dtype &&
    a.shape.length === b.shape.length &&
    a.shape.every((dimension, axis) => dimension === null || b.shape[axis] === null || dimension === b.shape[axis])
  );
}
