import { ConfigError } from '../../engine/errors.ts';
import { DTYPES, elements, type NumberType } from '../../engine/tensor/tensor.ts';

/** An array of samples. */
export type DataArray = NumberArray | TextArray;

/** Numbers: raw little-endian values in C order. */
export interface NumberArray {
  readonly dtype: NumberType;
  readonly shape: readonly number[];
  /** Aligned for its element type. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** Texts, in C order. */
interface TextArray {
  readonly dtype: 'text';
  readonly shape: readonly number[];
  readonly texts: readonly string[];
}

const DTYPE_OF: Readonly<Record<string, NumberType>> = {
  u1: 'uint8',
  i1: 'int8',
  u2: 'uint16',
  i2: 'int16',
  i4: 'int32',
  u4: 'uint32',
  i8: 'int64',
  u8: 'uint64',
  b1: 'bool',
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
};

/** Type and shape of an array, from the first bytes of its file. */
interface NpyHeader {
  readonly element: Element;
  readonly shape: readonly number[];
  readonly swapped: boolean;
  readonly fortran: boolean;
  /** Offset of the values. */
  readonly start: number;
}

/**
 * Reads NumPy's array format, versions 1 to 3 (numpy.lib.format).
 * @param name what to call the file in messages.
 * @throws ConfigError for another format or element type, and for a truncated file.
 */
export function readNpy(bytes: Uint8Array, name: string): DataArray {
  const { element, shape, swapped, fortran, start } = readNpyHeader(bytes, name, bytes.length);
  const data = new Uint8Array(bytes.subarray(start));
  if (swapped) swapBytes(data, element.unit);
  const ordered = fortran ? inRows(data, shape, element.bytes) : data;
  if (element.dtype !== 'text') return { dtype: element.dtype, shape, data: ordered };
  return { dtype: 'text', shape, texts: textsOf(ordered, elements(shape), element) };
}

/**
 * Reads type and shape without the values.
 * @param bytes of the file, or its first 64 KiB.
 * @param fileBytes size of the file.
 * @throws ConfigError as `readNpy` does.
 */
export function readNpyHeader(bytes: Uint8Array, name: string, fileBytes: number): NpyHeader {
  if (bytes.length < 10 || bytes[0] !== 0x93 || Buffer.from(bytes.subarray(1, 6)).toString('latin1') !== 'NUMPY') {
    throw new ConfigError(`${name} is not a .npy file; write it with numpy.save`);
  }
  const [major, minor] = [bytes[6], bytes[7]];
  if (major < 1 || major > 3) throw new ConfigError(`${name} is a .npy file of version ${major}.${minor}; expected 1 to 3`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [start, length] = major === 1 ? [10, view.getUint16(8, true)] : [12, bytes.length < 12 ? 0 : view.getUint32(8, true)];
  const header = Buffer.from(bytes.subarray(start, start + length)).toString('latin1');
  const descr = /'descr':\s*'([^']*)'/.exec(header)?.[1];
  const element = elementOf(descr, header, name);
  const shapeText = /'shape':\s*\(([\d,\sL]*)\)/.exec(header)?.[1];
  if (shapeText === undefined) throw new ConfigError(`${name} has a .npy header without a shape: ${header.trim().slice(0, 120)}`);
  const shape = shapeText.split(',').flatMap((part) => (part.trim() === '' ? [] : [Number.parseInt(part, 10)]));
  const fortran = /'fortran_order':\s*True/.test(header);
  const [holds, needs] = [fileBytes - start - length, elements(shape) * element.bytes];
  if (holds !== needs) {
    throw new ConfigError(
      `${name} holds ${holds} bytes, but its header says ${element.dtype}[${shape.join(', ')}], which needs ${needs}; copy it again`,
    );
  }
  return { element, shape, swapped: descr?.startsWith('>') === true, fortran, start: start + length };
}

/** NumPy pads fixed-width texts with zeros. */
function textsOf(data: Uint8Array, count: number, { bytes, unit }: Element): string[] {
  return Array.from({ length: count }, (_, i) => {
    const text = data.slice(i * bytes, (i + 1) * bytes);
    const decoded =
      unit === 1 ? Buffer.from(text).toString('utf8') : Array.from(new Uint32Array(text.buffer), character).join('');
    return decoded.replace(/\0+$/, '');
  });
}

function character(code: number): string {
  return code > 0x10ffff ? '\ufffd' : String.fromCodePoint(code);
}

/** Converts big-endian to little-endian. */
function swapBytes(data: Uint8Array, width: number): void {
  for (let at = 0; at < data.length; at += width) data.subarray(at, at + width).reverse();
}

/** Converts from Fortran order, in which the first axis varies fastest, to C order: pandas saves tables that way. */
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

interface Element {
  readonly dtype: NumberType | 'text';
  readonly bytes: number;
  /** Number of bytes to swap for the other byte order. */
  readonly unit: number;
}

function elementOf(descr: string | undefined, header: string, name: string): Element {
  if (descr === undefined) {
    throw new ConfigError(`${name} has records or no element type (${header.trim().slice(0, 120)}); save a plain numeric array`);
  }
  const [, kind, width] = /^[<>|=]([US])(\d+)$/.exec(descr) ?? [];
  if (kind !== undefined) {
    const unit = kind === 'U' ? 4 : 1;
    return { dtype: 'text', bytes: unit * Number(width), unit };
  }
  if (descr === '|O') {
    throw new ConfigError(`${name} holds pickled Python objects; save array.astype(str) or an array of numbers`);
  }
  const dtype = DTYPE_OF[descr.replace(/^[<>|=]/, '')];
  if (dtype === undefined) {
    throw new ConfigError(`${name} has elements of type ${descr}; save one of ${Object.keys(DTYPES).join(', ')}`);
  }
  return { dtype, bytes: DTYPES[dtype].bytes, unit: DTYPES[dtype].bytes };
}
