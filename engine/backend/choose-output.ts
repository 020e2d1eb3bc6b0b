import { ConfigError } from '../errors.ts';
import type { OutputSpec } from './backend.ts';

export interface OutputChoice {
  /** The output that the deployment names for the scores; default: chosen by types and shapes. */
  readonly output?: string | undefined;
  /** Never chosen: it holds something else. */
  readonly auxiliaryOutput?: string | undefined;
}

const FLOATS = ['float16', 'float32', 'float64'];

/**
 * Chooses the output to read as scores: the named one; otherwise the first float output with several columns, then one without a
 * declared shape, then one with a single column.
 * @throws ConfigError if there is none, or the named one does not exist or holds no floats.
 */
export function chooseScores(
  file: string,
  outputs: readonly OutputSpec[],
  { output, auxiliaryOutput }: OutputChoice = {},
): OutputSpec {
  const found = outputs.map(describeOutput).join(', ');
  if (output !== undefined) {
    const named = outputs.find(({ name }) => name === output);
    if (named === undefined) throw new ConfigError(`${file}: has no output ${output}; its outputs are ${found}`);
    if (FLOATS.includes(named.type)) return named;
    throw new ConfigError(`${file}: output ${output} is ${named.type}; scores are one of ${FLOATS.join(', ')}`);
  }
  const floats = outputs.filter(({ name, type }) => name !== auxiliaryOutput && FLOATS.includes(type));
  const chosen =
    floats.find(({ shape }) => shape !== undefined && hasColumns(shape)) ??
    floats.find(({ shape }) => shape === undefined) ??
    floats.find(({ shape }) => shape?.every((dimension) => dimension === 1));
  if (chosen !== undefined) return chosen;
  throw new ConfigError(
    `${file}: has no output of class scores, ${FLOATS.join(', ')} [batch, classes]; its outputs are ${found}`,
  );
}

/** `logits float32[batch, 10]` */
function describeOutput({ name, type, shape }: OutputSpec): string {
  return shape === undefined ? `${name} ${type}` : `${name} ${type}[${['batch', ...shape.map((d) => d ?? '?')].join(', ')}]`;
}

function hasColumns(shape: readonly (number | null)[]): boolean {
  const columns = scoreColumns(shape);
  return columns !== undefined && columns !== 1;
}

/**
 * Columns of scores. Axes of length 1 do not count: `[N, C, 1, 1]` and `[N, 1, C]` have C columns, `[N]` and `[N, 1]` one.
 * @param shape without the batch axis; `null` for a length known only at run time.
 * @returns undefined for a shape that scores cannot have.
 */
export function scoreColumns<T extends number | null>(shape: readonly T[]): T | 1 | undefined {
  const [columns = 1, ...more] = shape.filter((dimension) => dimension !== 1);
  return more.length === 0 ? columns : undefined;
}
