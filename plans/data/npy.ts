import { ConfigError } from '../../engine/errors.ts';
import { DTYPES, type Dtype, elements } from '../../engine/tensor.ts';

/** An array of a `.npy` file: raw little-endian values in C order. */
export interface NpyArray {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Aligned for its element type. */
  readonly data: Uint8Array<ArrayBuffer>;
}

const DTYPE_OF: Readonly<Record<string, Dtype>> = {
  u1: 'uint8',
  i1: 'int8',
  u2: 'uint16',
  i2: 'int16',
  i4: 'int32',
  u4: 'uint32',
  i8: 'int64',
  u8: 'uint64',
  f4: 'float32',
  f8: 'float64',
};

/**
 * Reads NumPy's array format, versions 1 to 3 (numpy.lib.format).
 * @param name how to call the file in messages.
 * @throws ConfigError for another format or element type, and for a file cut off.
 */
export function readNpy(bytes: Uint8Array, name: string): NpyArray {
  if (bytes.length < 10 || bytes[0] !== 0x93 || Buffer.from(bytes.subarray(1, 6)).toString('latin1') !== 'NUMPY') {
    throw new ConfigError(`${name} is not a .npy file; write it with numpy.save`);
  }
  const [major, minor] = [bytes[6], bytes[7]];
  if (major < 1 || major > 3) throw new ConfigError(`${name} is a .npy file of version ${major}.${minor}; expected 1 to 3`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [start, headerLength] =
    major === 1 ? [10, view.getUint16(8, true)] : [12, bytes.length < 12 ? 0 : view.getUint32(8, true)];
  const header = Buffer.from(bytes.subarray(start, start + headerLength)).toString('latin1');
  const descr = /'descr':\s*'([^']*)'/.exec(header)?.[1];
  const dtype = dtypeOf(descr, header, name);
  const shapeText = /'shape':\s*\(([\d,\sL]*)\)/.exec(header)?.[1];
  if (shapeText === undefined) throw new ConfigError(`${name} has a .npy header without a shape: ${header.trim().slice(0, 120)}`);
  const shape = shapeText.split(',').flatMap((part) => (part.trim() === '' ? [] : [Number.parseInt(part, 10)]));
  const size = elements(shape) * DTYPES[dtype].bytes;
  const length = bytes.length - start - headerLength;
  if (length !== size) {
    throw new ConfigError(`${name} holds ${length} bytes; its header says ${dtype}[${shape.join(', ')}], that is ${size}`);
  }
  const data = new Uint8Array(bytes.subarray(start + headerLength));
  const width = DTYPES[dtype].bytes;
  if (descr?.startsWith('>')) swapBytes(data, width);
  return { dtype, shape, data: /'fortran_order':\s*True/.test(header) ? inRows(data, shape, width) : data };
}

/** From big-endian to little-endian. */
function swapBytes(data: Uint8Array, width: number): void {
  for (let at = 0; at < data.length; at += width) data.subarray(at, at + width).reverse();
}

/** From Fortran's order, in which the first axis runs fastest, to C's: pandas saves tables so. */
function inRows(data: Uint8Array, shape: readonly number[], width: number): Uint8Array<ArrayBuffer> {
  const rows = new Uint8Array(data.length);
  const strides = shape.map((_, axis) => width * elements(shape.slice(0, axis)));
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < rows.length; to += width) {
    rows.set(data.subarray(from, from + width), to);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return rows;
}

function dtypeOf(descr: string | undefined, header: string, name: string): Dtype {
  if (descr === undefined) {
    throw new ConfigError(`${name} has records or no element type (${header.trim().slice(0, 120)}); save a plain numeric array`);
  }
  if (descr === '|b1') throw new ConfigError(`${name} is bool; save array.astype(numpy.uint8)`);
  const dtype = DTYPE_OF[descr.replace(/^[<>|=]/, '')];
  if (descr === '|O') {
    throw new ConfigError(`${name} holds pickled Python objects; save array.astype(str) or an array of numbers`);
  }
  if (dtype === undefined) {
    throw new ConfigError(`${name} has elements of type ${descr}; save one of ${Object.keys(DTYPES).join(', ')}`);
  }
  return dtype;
}
