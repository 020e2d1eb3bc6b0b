import { endianness } from 'node:os';
import { invalid } from '../../engine/errors.ts';
import { encode } from '../../plans/protocol/codec.ts';

/** Numbers, truth values or texts, flat or nested by axis, as JSON would have them. */
export type Values = number | boolean | string | readonly Values[];

/** Spelt out, so that the package's types ask for no others. */
type TypedArray =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

/**
 * One sample's value of one input: raw little-endian bytes in C order, a typed array (sent as its bytes: its type must be the
 * model's), or numbers, truth values or texts (converted to the model's type by the server). With its shape where the value does not tell it: bytes of an
 * input of which several axes may have any length.
 */
export type InputValue = TypedArray | Values | ShapedValue;

export interface ShapedValue {
  /** Without the batch axis. */
  readonly shape: readonly number[];
  readonly data: TypedArray | readonly number[] | readonly string[];
}

/** One sample: a value per input of the model family. */
export type Inputs = Readonly<Record<string, InputValue>>;

export interface InferOptions {
  /** Names the request in its answer and in logs; of 1 to 128 characters, not used for another request. Default: made up. */
  readonly id?: string;
  /** The answer comes within this time, or not at all. Default: that of the client; else the deployment's own. */
  readonly deadlineMs?: number;
  /** Have the class scores in the result. */
  readonly scores?: boolean;
  /** Have these outputs of the model in the result, whole. */
  readonly outputs?: readonly string[];
  /** W3C `traceparent` of what this request is a part of. It is sent in a message of its own, with that as a header. */
  readonly traceparent?: string | undefined;
}

export interface InferRequest extends InferOptions {
  readonly inputs: Inputs;
}

/** Above every deadline, so that it is packed as four bytes after a type byte. */
const DEADLINE_PLACEHOLDER = 0xffff_ffff;

/**
 * A request that names its deadline, in MessagePack. Its last four bytes are that, so that a retry can say how much is left of it
 * without packing again: see `withDeadline`.
 */
export function encodeRequest(id: string, inputs: Inputs, asked: Asked = {}): Uint8Array {
  return encode({ id, inputs: wireValues(inputs), ...wireAsked(asked), deadlineMs: DEADLINE_PLACEHOLDER });
}

/** A request that leaves its deadline to the deployment; or to a header, where it is stored, as it counts from then. */
export function encodeWithoutDeadline(id: string, inputs: Inputs, asked: Asked = {}): Uint8Array {
  return encode({ id, inputs: wireValues(inputs), ...wireAsked(asked) });
}

/** What a result should hold beside the answer. */
type Asked = Pick<InferOptions, 'scores' | 'outputs'>;

function wireAsked({ scores = false, outputs = [] }: Asked): Asked {
  return { ...(scores ? { scores } : {}), ...(outputs.length === 0 ? {} : { outputs }) };
}

/** A request without an id, for whoever tells its requests apart by their reply subjects: it may be sent any number of times. */
export function encodeUnnamedRequest(inputs: Inputs, deadlineMs: number): Uint8Array {
  return encode({ inputs: wireValues(inputs), deadlineMs });
}

/** The body with its deadline set, in bytes of its own: those of an earlier attempt may still be on their way. */
export function withDeadline(body: Uint8Array, deadlineMs: number): Uint8Array {
  const copy = new Uint8Array(body);
  writeDeadline(copy, deadlineMs);
  return copy;
}

/**
 * Many requests as one message: a MessagePack array of the bodies.
 * @param deadlinesMs undefined: the request names none.
 */
export function frameOf(bodies: readonly Uint8Array[], deadlinesMs: readonly (number | undefined)[]): Uint8Array {
  let length = FRAME_HEADER_BYTES;
  for (const body of bodies) length += body.length;
  const frame = new Uint8Array(length);
  frame[0] = 0xdc;
  frame[1] = bodies.length >> 8;
  frame[2] = bodies.length & 0xff;
  let at = FRAME_HEADER_BYTES;
  for (let i = 0; i < bodies.length; i++) {
    frame.set(bodies[i], at);
    at += bodies[i].length;
    const deadlineMs = deadlinesMs[i];
    if (deadlineMs !== undefined) writeDeadline(frame.subarray(0, at), deadlineMs);
  }
  return frame;
}

export const FRAME_HEADER_BYTES = 3;

function writeDeadline(body: Uint8Array, deadlineMs: number): void {
  new DataView(body.buffer, body.byteOffset + body.length - 4, 4).setUint32(0, Math.max(1, Math.ceil(deadlineMs)));
}

const HOST_IS_LITTLE_ENDIAN = endianness() === 'LE';

function wireValues(inputs: Inputs): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const name of Object.keys(inputs)) values[name] = wireValue(inputs[name], name);
  return values;
}

function wireValue(value: InputValue | undefined, name: string): unknown {
  if (value === undefined) throw invalid(`inputs.${name}: undefined; give bytes or numbers, or leave it out`);
  if (isShaped(value)) return { shape: value.shape, data: wireValue(value.data, `${name}.data`) };
  if (value instanceof Uint8Array || !ArrayBuffer.isView(value)) return value;
  if (!HOST_IS_LITTLE_ENDIAN && value.BYTES_PER_ELEMENT > 1) return Array.from(value as ArrayLike<number | bigint>);
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

function isShaped(value: InputValue): value is ShapedValue {
  return typeof value === 'object' && !Array.isArray(value) && !ArrayBuffer.isView(value);
}
