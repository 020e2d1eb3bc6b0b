import { ConfigError } from '../../engine/errors.ts';
import { valuesOf } from './fit-array.ts';
import type { NpyArray } from './npy.ts';

/**
 * The class of each sample. Labels are whole numbers, whatever their element type: [samples], [samples, 1], or one-hot
 * [samples, classes].
 * @param classes number of classes, where it is known: labels are 0 to classes - 1.
 * @throws ConfigError for another shape, and for labels that are no class.
 */
export function labelsOf(array: NpyArray, classes: number | undefined, where: string): Int32Array {
  const [samples = 0, width = 1] = array.shape;
  if (samples === 0 || array.shape.length > 2 || width === 0) {
    throw new ConfigError(
      `${where} is ${array.dtype}[${array.shape.join(', ')}]; expected labels [samples], or one-hot [samples, classes]`,
    );
  }
  const values = valuesOf(array);
  const label = width === 1 ? (i: number) => Number(values[i]) : (i: number) => hotColumn(values, i, width, where);
  return Int32Array.from({ length: samples }, (_, i) => checkLabel(label(i), classes, `${where}: label ${i}`));
}

/** Where the one 1 of a one-hot row is. */
function hotColumn(values: ArrayLike<number | bigint>, row: number, width: number, where: string): number {
  let hot: number | undefined;
  for (let column = 0; column < width; column++) {
    const value = Number(values[row * width + column]);
    if (value === 0) continue;
    if (value !== 1 || hot !== undefined) {
      throw new ConfigError(
        `${where} has ${width} columns, and row ${row} is not one-hot; expected one 1 among zeros, or labels [samples]`,
      );
    }
    hot = column;
  }
  if (hot === undefined) throw new ConfigError(`${where}: row ${row} has no 1; expected one-hot rows, or labels [samples]`);
  return hot;
}

/** @throws ConfigError unless the label is a class. */
export function checkLabel(label: unknown, classes: number | undefined, where: string): number {
  if (typeof label === 'number' && Number.isInteger(label) && label >= 0 && label < (classes ?? 2 ** 31)) return label;
  const range = classes === undefined ? 'a whole number, 0 or more' : `0 to ${classes - 1}, as there are ${classes} classes`;
  throw new ConfigError(`${where} is ${typeof label === 'number' ? label : JSON.stringify(label)}; expected ${range}`);
}
