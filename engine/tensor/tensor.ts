import { toFloat16 } from './float16.ts';
import { EMPTY_STRING, endOfStrings, splitStrings } from './strings.ts';

/**
 * Element types of numbers in model inputs and labelled data: ONNX name, typed array and bytes per element. A float16 is represented by
 * its bits (see float16.ts), and a bool by 0 or 1.
 */
export const DTYPES = {
  uint8: { array: Uint8Array, bytes: 1, integer: [0, 255] },
  int8: { array: Int8Array, bytes: 1, integer: [-128, 127] },
  uint16: { array: Uint16Array, bytes: 2, integer: [0, 65535] },
  int16: { array: Int16Array, bytes: 2, integer: [-32768, 32767] },
  int32: { array: Int32Array, bytes: 4, integer: [-2147483648, 2147483647] },
  uint32: { array: Uint32Array, bytes: 4, integer: [0, 4294967295] },
  int64: { array: BigInt64Array, bytes: 8, integer: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER] },
  uint64: { array: BigUint64Array, bytes: 8, integer: [0, Number.MAX_SAFE_INTEGER] },
  bool: { array: Uint8Array, bytes: 1, integer: [0, 1] },
  float16: { array: Uint16Array, bytes: 2, integer: undefined },
  float32: { array: Float32Array, bytes: 4, integer: undefined },
  float64: { array: Float64Array, bytes: 8, integer: undefined },
} as const;

export type NumberType = keyof typeof DTYPES;

/** Strings have no fixed size: see strings.ts. */
export type Dtype = NumberType | 'string';

export const DTYPE_NAMES = [...(Object.keys(DTYPES) as NumberType[]), 'string'] as const;

/** One input of a model for a single sample: `shape` has no batch axis; `null` is a ragged axis, whose length varies by sample. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly (number | null)[];
  /** Pads ragged axes to the longest sample of a batch; undefined: all samples of a batch have the same shape. */
  readonly pad?: number | undefined;
  /** Longest accepted length per axis; for a fixed axis, its dimension. Default: any. */
  readonly maxShape?: readonly number[] | undefined;
  /** Whether a value may be NaN, which tree models take as missing; default: no. */
  readonly nan?: boolean | undefined;
}

/** One sample's value of one input: raw little-endian bytes in C order; for strings, see strings.ts. */
export interface Tensor {
  readonly data: Uint8Array;
  /** Dimensions without the batch axis; all known. */
  readonly shape: readonly number[];
}

/** One sample: its tensors in the order of the family's input specs. */
export type Sample = readonly Tensor[];

export function elements(shape: readonly number[]): number {
  let product = 1;
  for (const dimension of shape) product *= dimension;
  return product;
}

/** Bytes of a sample's value; undefined when an axis is ragged or the elements are strings. */
export function fixedBytes(spec: TensorSpec): number | undefined {
  if (spec.dtype === 'string') return undefined;
  let product: number = DTYPES[spec.dtype].bytes;
  for (const dimension of spec.shape) {
    if (dimension === null) return undefined;
    product *= dimension;
  }
  return product;
}

/** End of a value of that shape that starts at `from` in the data; beyond the end of the data if it is truncated. */
export function endOf(dtype: Dtype, shape: readonly number[], data: Uint8Array, from: number): number {
  const count = elements(shape);
  return dtype === 'string' ? endOfStrings(data, from, count) : from + count * DTYPES[dtype].bytes;
}

/** The first axis in which a shape is longer than accepted; undefined when there is none. */
export function tooLongAxis({ maxShape }: TensorSpec, shape: readonly number[]): number | undefined {
  const axis = maxShape?.findIndex((limit, i) => shape[i] > limit) ?? -1;
  return axis === -1 ? undefined : axis;
}

export function describeSpec(spec: TensorSpec): string {
  return `${spec.dtype}[${spec.shape.map((d) => d ?? '?').join(', ')}]`;
}

/**
 * Stacks samples along a new axis 0, padding ragged axes to the longest sample with the spec's value. Without such a value, the samples
 * must have the same shape.
 * @param allocate returns the memory for the batch, given its number of bytes; aligned for the element type, not necessarily zeroed.
 * @returns the batch's bytes and its dimensions.
 */
export function stack(
  spec: TensorSpec,
  tensors: readonly Tensor[],
  allocate: (bytes: number) => Uint8Array,
): { data: Uint8Array; dims: number[] } {
  const n = tensors.length;
  const { pad, dtype } = spec;
  if (dtype === 'string') return stackStrings(spec, tensors);
  if (pad === undefined || fixedBytes(spec) !== undefined) {
    const size = tensors[0].data.length;
    const data = allocate(n * size);
    for (let i = 0; i < n; i++) data.set(tensors[i].data, i * size);
    return { data, dims: [n, ...tensors[0].shape] };
  }
  const inner = longest(spec, tensors);
  const { array, bytes } = DTYPES[dtype];
  const stride = elements(inner) * bytes;
  const data = allocate(n * stride);
  const view = new array(data.buffer as ArrayBuffer, data.byteOffset, data.length / bytes);
  if (view instanceof BigInt64Array || view instanceof BigUint64Array) view.fill(BigInt(pad));
  else view.fill(dtype === 'float16' ? toFloat16(pad) : pad);
  for (let i = 0; i < n; i++) copyInto(data, i * stride, inner, tensors[i], bytes, 0, 0);
  return { data, dims: [n, ...inner] };
}

/** Pads ragged axes with empty strings. */
function stackStrings(spec: TensorSpec, tensors: readonly Tensor[]): { data: Uint8Array; dims: number[] } {
  const inner = longest(spec, tensors);
  const stride = elements(inner);
  const data = Buffer.concat(
    tensors.map(({ data, shape }) => {
      if (elements(shape) === stride) return data;
      const padded = new Array<Uint8Array>(stride).fill(EMPTY_STRING);
      splitStrings(data).forEach((element, i) => {
        padded[placeIn(inner, shape, i)] = element;
      });
      return Buffer.concat(padded);
    }),
  );
  // Small buffers share memory, which cannot be transferred to a thread.
  return { data: new Uint8Array(data), dims: [tensors.length, ...inner] };
}

/** The smallest shape that all of them fit into. */
function longest({ shape }: TensorSpec, tensors: readonly Tensor[]): number[] {
  return shape.map((dimension, axis) => dimension ?? tensors.reduce((max, t) => Math.max(max, t.shape[axis]), 0));
}

/** Flat index in the outer shape of the element with index `i` in the inner one. */
function placeIn(outer: readonly number[], shape: readonly number[], i: number): number {
  let place = 0;
  let stride = 1;
  let rest = i;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    place += (rest % shape[axis]) * stride;
    rest = Math.floor(rest / shape[axis]);
    stride *= outer[axis];
  }
  return place;
}

/** Copies a sample's rows into the padded block that starts at `to`; returns where the next row starts in the sample. */
function copyInto(
  data: Uint8Array,
  to: number,
  inner: readonly number[],
  tensor: Tensor,
  bytes: number,
  axis: number,
  from: number,
): number {
  if (axis >= inner.length - 1) {
    const row = (tensor.shape[axis] ?? 1) * bytes;
    data.set(tensor.data.subarray(from, from + row), to);
    return from + row;
  }
  let stride = bytes;
  for (let a = axis + 1; a < inner.length; a++) stride *= inner[a];
  for (let i = 0; i < tensor.shape[axis]; i++) from = copyInto(data, to + i * stride, inner, tensor, bytes, axis + 1, from);
  return from;
}
