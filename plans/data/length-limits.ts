import { ConfigError } from '../../engine/errors.ts';
import type { TensorSpec } from '../../engine/tensor/tensor.ts';
import type { Deployment } from '../domain/deployment/deployment.ts';

/** Without a declared limit, inputs may be this many times as long as the longest sample, but at least LEAST_LIMIT. */
const TIMES_LONGEST = 2;
const LEAST_LIMIT = 64;

/**
 * The input with the longest lengths that the deployment declares for its ragged axes, if it does.
 * @throws ConfigError when they do not match the input's axes.
 */
export function withDeclaredLimit(spec: TensorSpec, { inputs, file }: Pick<Deployment, 'inputs' | 'file'>): TensorSpec {
  const maxLength = Object.hasOwn(inputs, spec.name) ? inputs[spec.name].maxLength : undefined;
  if (maxLength === undefined) return spec;
  const ragged = spec.shape.filter((dimension) => dimension === null).length;
  const where = `${file}: inputs.${spec.name}.maxLength:`;
  if (ragged === 0) throw new ConfigError(`${where} the models accept only one size of ${spec.name}; leave it out`);
  const limits = typeof maxLength === 'number' ? new Array<number>(ragged).fill(maxLength) : [...maxLength];
  if (limits.length !== ragged)
    throw new ConfigError(
      `${where} has ${limits.length} lengths, but ${spec.name} has ${ragged} variable-length ${ragged === 1 ? 'axis' : 'axes'}`,
    );
  return { ...spec, maxShape: spec.shape.map((dimension) => dimension ?? limits.shift()!) };
}

/**
 * The input with longest lengths derived from the data if the deployment declares none.
 * @param shapes of all samples.
 */
export function withLimitOfData(spec: TensorSpec, shapes: Iterable<readonly number[]>): TensorSpec {
  if (spec.maxShape !== undefined || !spec.shape.includes(null)) return spec;
  let longest = spec.shape.map(() => 0);
  for (const shape of shapes) longest = longest.map((length, axis) => Math.max(length, shape[axis]));
  const limit = (length: number): number => Math.max(LEAST_LIMIT, TIMES_LONGEST * length);
  return { ...spec, maxShape: spec.shape.map((dimension, axis) => dimension ?? limit(longest[axis])) };
}
