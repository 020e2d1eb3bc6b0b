import { isPublishable, SUBJECT_TOKEN } from '../../engine/actor/subject.ts';
import { MalformedMessage } from '../../engine/errors.ts';
import { DTYPE_NAMES, type TensorSpec } from '../../engine/tensor/tensor.ts';
import { MAX_OUTPUTS, OUTPUT_NAME_MAX_LENGTH } from './request.ts';

/** Longest id of a request: a client's may have 128 characters, and a frontend's begins with its name. */
const ID_MAX_LENGTH = 256;
/** A `traceparent` has 55 characters; versions to come may have more. */
const TRACE_MAX_LENGTH = 128;

/**
 * Checks that a decoded value has the columns of a work frame, all of the same length, with values that the receiver can compute with,
 * answer and pass on. Runs for every frame, so it uses plain loops and does not allocate.
 * @returns the number of requests.
 * @throws MalformedMessage naming the column.
 */
export function checkWorkColumns(value: unknown, specs: readonly TensorSpec[]): number {
  if (typeof value !== 'object' || value === null) throw malformed('not a map');
  const frame = value as Record<string, unknown>;
  if (typeof frame.origin !== 'string' || !SUBJECT_TOKEN.test(frame.origin)) throw malformed('origin');
  if (!Array.isArray(frame.seq)) throw malformed('seq');
  const n = frame.seq.length;
  checkColumn(frame, 'seq', n, isNumber);
  if (!isAbsent(frame.client)) checkColumn(frame, 'client', n, isNumber);
  checkColumn(frame, 'id', n, isId);
  checkColumn(frame, 'reply', n, isReply);
  checkColumn(frame, 'flags', n, isFlags);
  checkColumn(frame, 'ageMs', n, Number.isFinite);
  checkColumn(frame, 'leftMs', n, Number.isFinite);
  checkColumn(frame, 'queueMs', n, Number.isFinite);
  checkColumn(frame, 'computeMs', n, Number.isFinite);
  if (frame.opinion !== null) checkColumn(frame, 'opinion', n, isOpinion);
  if (!isAbsent(frame.trace)) checkColumn(frame, 'trace', n, isTrace);
  if (!isAbsent(frame.outputs)) checkColumn(frame, 'outputs', n, areNames);
  if (!Array.isArray(frame.tensors) || frame.tensors.length !== specs.length) throw malformed('tensors');
  for (let i = 0; i < specs.length; i++) checkTensors(frame.tensors[i], specs[i], n);
  return n;
}

function checkColumn(frame: Record<string, unknown>, name: string, n: number, isGood: (value: unknown) => boolean): void {
  const column = frame[name];
  if (!Array.isArray(column) || column.length !== n) throw malformed(name);
  for (let i = 0; i < n; i++) if (!isGood(column[i])) throw malformed(name);
}

export function checkTensors(value: unknown, { name, shape }: TensorSpec, n: number): void {
  if (typeof value !== 'object' || value === null) throw malformed('tensors', name);
  const { data, shapes } = value as { data?: unknown; shapes?: unknown };
  if (!(data instanceof Uint8Array)) throw malformed('tensors', name);
  if (!shape.includes(null)) {
    if (shapes !== null) throw malformed('tensor shapes', name);
    return;
  }
  if (!Array.isArray(shapes) || shapes.length !== n) throw malformed('tensor shapes', name);
  for (let i = 0; i < n; i++) if (!fitsShape(shapes[i], shape)) throw malformed('tensor shapes', name);
}

function fitsShape(value: unknown, shape: TensorSpec['shape']): boolean {
  if (!Array.isArray(value) || value.length !== shape.length) return false;
  for (let axis = 0; axis < shape.length; axis++) {
    const dimension: unknown = value[axis];
    if (!Number.isSafeInteger(dimension) || (dimension as number) < 0) return false;
    if (shape[axis] !== null && shape[axis] !== dimension) return false;
  }
  return true;
}

function isNumber(value: unknown): boolean {
  return Number.isSafeInteger(value);
}

function isId(value: unknown): boolean {
  return typeof value === 'string' && value.length <= ID_MAX_LENGTH;
}

function isReply(value: unknown): boolean {
  return typeof value === 'string' && isPublishable(value);
}

function isFlags(value: unknown): boolean {
  return Number.isSafeInteger(value) && ((value as number) & ~7) === 0;
}

export function isOpinion(value: unknown): boolean {
  if (value === null) return true;
  if (typeof value !== 'object') return false;
  const {
    label,
    labels,
    value: values,
    certainty,
    model,
    stage,
    gear,
    revision,
    scores,
    outputs,
  } = value as Record<string, unknown>;
  if (!isAbsent(label) && !Number.isSafeInteger(label)) return false;
  if (!isAbsent(labels) && !areNumbers(labels)) return false;
  if (!isAbsent(values) && typeof values !== 'number' && !areNumbers(values)) return false;
  if (typeof certainty !== 'number' || typeof model !== 'string' || ![stage, gear, revision].every(Number.isSafeInteger))
    return false;
  return (isAbsent(scores) || areNumbers(scores)) && (isAbsent(outputs) || areOutputs(outputs));
}

/** A `traceparent`, or empty if the request is not traced. Only its length is checked. */
function isTrace(value: unknown): boolean {
  return typeof value === 'string' && value.length <= TRACE_MAX_LENGTH;
}

function areNames(value: unknown): boolean {
  if (!Array.isArray(value) || value.length > MAX_OUTPUTS) return false;
  return value.every((name) => typeof name === 'string' && name.length <= OUTPUT_NAME_MAX_LENGTH);
}

function areOutputs(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const outputs = Object.values(value);
  return outputs.length <= MAX_OUTPUTS && outputs.every(isOutput);
}

function isOutput(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { dtype, shape, data } = value as Record<string, unknown>;
  return (DTYPE_NAMES as readonly unknown[]).includes(dtype) && areNumbers(shape) && data instanceof Uint8Array;
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}

function areNumbers(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  for (let i = 0; i < value.length; i++) if (typeof value[i] !== 'number') return false;
  return true;
}

function malformed(what: string, detail?: string): MalformedMessage {
  return new MalformedMessage('work', what, detail);
}
