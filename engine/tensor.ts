/** Element types of model inputs and labelled data: ONNX names, typed array and bytes per element. */
export const DTYPES = {
  uint8: { array: Uint8Array, bytes: 1, integer: [0, 255] },
  int8: { array: Int8Array, bytes: 1, integer: [-128, 127] },
  uint16: { array: Uint16Array, bytes: 2, integer: [0, 65535] },
  int16: { array: Int16Array, bytes: 2, integer: [-32768, 32767] },
  int32: { array: Int32Array, bytes: 4, integer: [-2147483648, 2147483647] },
  uint32: { array: Uint32Array, bytes: 4, integer: [0, 4294967295] },
  int64: { array: BigInt64Array, bytes: 8, integer: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER] },
  uint64: { array: BigUint64Array, bytes: 8, integer: [0, Number.MAX_SAFE_INTEGER] },
  float32: { array: Float32Array, bytes: 4, integer: undefined },
  float64: { array: Float64Array, bytes: 8, integer: undefined },
} as const;

export type Dtype = keyof typeof DTYPES;

/** One input of a model as a sample sees it: `shape` has no batch axis; `null` is a ragged axis, whose length samples choose. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly (number | null)[];
  /** Fills ragged axes up to the longest sample of a batch; undefined: all samples of a batch have one shape. */
  readonly pad?: number | undefined;
  /** Longest accepted length per axis, that of a fixed axis being its dimension; default: any. */
  readonly maxShape?: readonly number[] | undefined;
}

/** One sample's value of one input: raw little-endian bytes in C order. */
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

/** Bytes of a sample's value, or undefined where an axis is ragged. */
export function fixedBytes(spec: TensorSpec): number | undefined {
  let product: number = DTYPES[spec.dtype].bytes;
  for (const dimension of spec.shape) {
    if (dimension === null) return undefined;
    product *= dimension;
  }
  return product;
}

/** The first axis in which a shape is longer than accepted; undefined when it is none. */
export function tooLongAxis({ maxShape }: TensorSpec, shape: readonly number[]): number | undefined {
  const axis = maxShape?.findIndex((limit, i) => shape[i] > limit) ?? -1;
  return axis === -1 ? undefined : axis;
}

export function describeSpec(spec: TensorSpec): string {
  return `${spec.dtype}[${spec.shape.map((d) => d ?? '?').join(', ')}]`;
}

/**
 * Stacks samples along a new axis 0; ragged axes are padded to the longest sample with the spec's value. Without one, the samples
 * are of one shape.
 * @param allocate where the batch is written to, for its number of bytes; aligned for the element type, not necessarily zero.
 * @returns the batch's bytes and its dimensions.
 */
export function stack(
  spec: TensorSpec,
  tensors: readonly Tensor[],
  allocate: (bytes: number) => Uint8Array,
): { data: Uint8Array; dims: number[] } {
  const n = tensors.length;
  const { pad } = spec;
  if (pad === undefined || fixedBytes(spec) !== undefined) {
    const size = tensors[0].data.length;
    const data = allocate(n * size);
    for (let i = 0; i < n; i++) data.set(tensors[i].data, i * size);
    return { data, dims: [n, ...tensors[0].shape] };
  }
  const inner = spec.shape.map((dimension, axis) => dimension ?? tensors.reduce((max, t) => Math.max(max, t.shape[axis]), 0));
  const { array, bytes } = DTYPES[spec.dtype];
  const stride = elements(inner) * bytes;
  const data = allocate(n * stride);
  const view = new array(data.buffer as ArrayBuffer, data.byteOffset, data.length / bytes);
  if (view instanceof BigInt64Array || view instanceof BigUint64Array) view.fill(BigInt(pad));
  else view.fill(pad);
  for (let i = 0; i < n; i++) copyInto(data, i * stride, inner, tensors[i], bytes, 0, 0);
  return { data, dims: [n, ...inner] };
}

/** Copies a sample's rows into the padded block that starts at `to`; returns where in the sample the next row begins. */
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
