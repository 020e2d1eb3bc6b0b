import { endianness } from 'node:os';
import { invalid } from '../../engine/errors.ts';
import { encode } from '../../plans/protocol/codec.ts';

/** Numbers, booleans or texts, flat or nested by axis, as in JSON. */
export type Values = number | boolean | string | readonly Values[];

/** Written out, so that the package's types do not depend on others. */
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
 * One sample's value of one input: raw little-endian bytes in C order, a typed array (sent as its bytes, so its type must be the model's),
 * or numbers, booleans or texts (which the server converts to the model's type). Add the shape when the value does not determine it:
 * for bytes of an input with several variable-length axes.
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
  /** Identifies the request in its answer and in logs; 1 to 128 characters, unique. Default: generated. */
  readonly id?: string;
  /** The answer arrives within this time, or not at all. Default: the client's, else the deployment's. */
  readonly deadlineMs?: number;
  /** Include the class scores in the result. */
  readonly scores?: boolean;
  /** Include these outputs of the model in the result, in full. */
  readonly outputs?: readonly string[];
  /** W3C `traceparent` of the caller's span, a header of the message. Only requests of the same span share a message, or unsampled ones. */
  readonly traceparent?: string | undefined;
}

export interface InferRequest extends InferOptions {
  readonly inputs: Inputs;
}

/** Above every deadline, so that it is encoded as a type byte and four more bytes. */
const DEADLINE_PLACEHOLDER = 0xffff_ffff;

/**
 * Encodes a request with a deadline, in MessagePack. The deadline is in its last four bytes, so that a retry can state the remaining time
 * without encoding again: see `withDeadline`.
 */
export function encodeRequest(id: string, inputs: Inputs, asked: Asked = {}): Uint8Array {
  return encode({ id, inputs: wireValues(inputs), ...wireAsked(asked), deadlineMs: DEADLINE_PLACEHOLDER });
}

/** Encodes a request that leaves its deadline to the deployment, or to a header if it is stored, because it counts from then. */
export function encodeWithoutDeadline(id: string, inputs: Inputs, asked: Asked = {}): Uint8Array {
  return encode({ id, inputs: wireValues(inputs), ...wireAsked(asked) });
}

/** What a result should contain besides the answer. */
type Asked = Pick<InferOptions, 'scores' | 'outputs'>;

function wireAsked({ scores = false, outputs = [] }: Asked): Asked {
  return { ...(scores ? { scores } : {}), ...(outputs.length === 0 ? {} : { outputs }) };
}

/** Encodes a request without an id, for senders that identify requests by their reply subjects: it may be sent repeatedly. */
export function encodeUnnamedRequest(inputs: Inputs, deadlineMs: number): Uint8Array {
  return encode({ inputs: wireValues(inputs), deadlineMs });
}

/** The body with its deadline set, as a copy: bytes of an earlier attempt may still be in flight. */
export function withDeadline(body: Uint8Array, deadlineMs: number): Uint8Array {
  const copy = new Uint8Array(body);
  writeDeadline(copy, deadlineMs);
  return copy;
}

/**
 * Combines many requests into one message: a MessagePack array of the bodies.
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
