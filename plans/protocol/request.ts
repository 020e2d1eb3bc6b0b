import { type CascadeError, invalid } from '../../engine/errors.ts';
import { parseTensor } from '../../engine/tensor/parse-tensor.ts';
import { describeSpec, type Sample, type TensorSpec } from '../../engine/tensor/tensor.ts';

/** A client's request after validation. */
export interface InferRequest {
  readonly id: string | undefined;
  readonly sample: Sample;
  readonly deadlineMs: number | undefined;
  readonly wantScores: boolean;
  /** Outputs of the answering model to return whole. */
  readonly wantOutputs: readonly string[];
}

const ID_MAX_LENGTH = 128;
/** Longest deadline of a request, and longest default of a deployment. */
export const DEADLINE_MAX_MS = 600_000;

/** Most output names in one request. */
export const MAX_OUTPUTS = 16;
export const OUTPUT_NAME_MAX_LENGTH = 256;

const FIELDS = ['id', 'inputs', 'deadlineMs', 'scores', 'outputs'];

/**
 * Checks one decoded request against the family's inputs. The sample's bytes may be views of the body.
 * @param known outputs that requests may ask for.
 * @throws CascadeError INVALID_ARGUMENT naming field, value and what would be right.
 */
export function parseRequest(value: unknown, specs: readonly TensorSpec[], known: readonly string[] = []): InferRequest {
  if (!isMap(value)) throw invalid(`a request is a map like ${exampleOf(specs)}, not ${kindOf(value)}`);
  for (const key in value) {
    if (!FIELDS.includes(key)) throw invalid(`unknown field ${quote(key)}; a request has ${FIELDS.join(', ')}`);
  }
  const { id, inputs, deadlineMs, scores, outputs } = value;
  if (id !== undefined) checkId(id);
  if (deadlineMs !== undefined && deadlineMs !== null) checkDeadline(deadlineMs);
  if (scores !== undefined && typeof scores !== 'boolean') throw invalid(`scores: ${kindOf(scores)}; use true or false`);
  if (!isMap(inputs)) throw invalid(`inputs: ${inputs === undefined ? 'missing' : kindOf(inputs)}; expected ${exampleOf(specs)}`);
  for (const key in inputs) {
    if (!specs.some((spec) => spec.name === key)) {
      throw invalid(
        `inputs: unknown input ${quote(key)}; this family takes ${listed(specs, (spec) => `${spec.name} ${describeSpec(spec)}`)}`,
      );
    }
  }
  const sample = specs.map((spec) => {
    const given = inputs[spec.name];
    if (given === undefined) throw invalid(`inputs.${spec.name}: missing; expected ${describeSpec(spec)}`);
    return parseTensor(spec, given, `inputs.${spec.name}`);
  });
  return {
    id: id as string | undefined,
    sample,
    deadlineMs: (deadlineMs ?? undefined) as number | undefined,
    wantScores: scores === true,
    wantOutputs: outputs === undefined || outputs === null ? [] : checkOutputs(outputs, known),
  };
}

/** @throws CascadeError INVALID_ARGUMENT */
function checkOutputs(outputs: unknown, known: readonly string[]): readonly string[] {
  if (!Array.isArray(outputs))
    throw invalid(`outputs: ${kindOf(outputs)}; use a list of names, such as ["${known[0] ?? 'logits'}"]`);
  if (outputs.length > MAX_OUTPUTS) throw invalid(`outputs: ${outputs.length} names; at most ${MAX_OUTPUTS} are accepted`);
  for (const name of outputs) {
    if (known.includes(name)) continue;
    const given = typeof name === 'string' ? quote(name) : kindOf(name);
    const have = known.length === 0 ? 'none can be asked for' : `all models of this family have ${known.join(', ')}`;
    throw invalid(`outputs: unknown output ${given}; ${have}`);
  }
  return [...new Set(outputs as string[])];
}

/** Half of a surrogate pair does not survive MessagePack, so the answer would have another id. @throws CascadeError INVALID_ARGUMENT */
export function checkId(id: unknown): asserts id is string {
  if (typeof id !== 'string' || id.length === 0 || id.length > ID_MAX_LENGTH) {
    throw invalid(
      `id: ${typeof id === 'string' ? `${id.length} characters` : kindOf(id)}; use a string of 1 to ${ID_MAX_LENGTH} characters`,
    );
  }
  if (!id.isWellFormed()) throw invalid('id: has half of a surrogate pair; use a well-formed string');
}

/** @throws CascadeError INVALID_ARGUMENT */
export function checkDeadline(deadlineMs: unknown): asserts deadlineMs is number {
  if (typeof deadlineMs !== 'number' || !(deadlineMs > 0) || deadlineMs > DEADLINE_MAX_MS) {
    throw wrongNumber('deadlineMs', deadlineMs, `milliseconds above 0 and at most ${DEADLINE_MAX_MS}`);
  }
}

/** @param right says what to use instead. */
export function wrongNumber(name: string, value: unknown, right: string): CascadeError {
  return invalid(`${name}: ${typeof value === 'number' ? value : kindOf(value)}; use ${right}`);
}

/** Whether a value is meant to be a request: a map with inputs. */
export function looksLikeRequest(value: unknown): boolean {
  return isMap(value) && isMap(value.inputs);
}

/** The id of a refused request, if it has a valid one. */
export function idOf(value: unknown): string | undefined {
  const id = isMap(value) ? value.id : undefined;
  return typeof id === 'string' && id.length > 0 && id.length <= ID_MAX_LENGTH && id.isWellFormed() ? id : undefined;
}

/** The deadline in a request that has not been checked yet, if it is valid. */
export function deadlineOf(value: unknown): number | undefined {
  return isMap(value) && typeof value.deadlineMs === 'number' && value.deadlineMs > 0 ? value.deadlineMs : undefined;
}

export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  if (typeof value === 'object') return 'a map';
  if (typeof value === 'string') return `the string ${quote(value)}`;
  return `the ${typeof value} ${String(value)}`;
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
}

function exampleOf(specs: readonly TensorSpec[]): string {
  return `{"inputs": {${listed(specs, (spec) => `${quote(spec.name)}: ${describeSpec(spec)}`)}}}`;
}

/** Users of families with more inputs than this know them without a list. */
const LISTED_INPUTS = 8;

function listed(specs: readonly TensorSpec[], describe: (spec: TensorSpec) => string): string {
  const others = specs.length - LISTED_INPUTS;
  return specs.slice(0, LISTED_INPUTS).map(describe).join(', ') + (others > 0 ? `, and ${others} more` : '');
}
