import { ConfigError } from '../../engine/errors.ts';
import { shown } from '../domain/deployment/shown.ts';
import { valuesOf } from './fit-array.ts';
import type { DataArray } from './npy.ts';

/**
 * The class of each sample. Labels are [samples], [samples, 1], or one-hot [samples, classes]: whole numbers of any element type, or
 * class names.
 * @param classes the names, if the deployment has them: numbers must then be below their count.
 * @throws ConfigError for another shape, and for labels that are not classes.
 */
export function labelsOf(array: DataArray, classes: readonly string[] | undefined, where: string): Int32Array {
  const [samples = 0, width = 1] = array.shape;
  if (samples === 0 || width === 0 || array.shape.length > 2 || (array.dtype === 'text' && width > 1)) {
    throw new ConfigError(
      `${where} is ${array.dtype}[${array.shape.join(', ')}]; expected labels [samples], or one-hot [samples, classes]`,
    );
  }
  const labelAt = labelReader(array, width, classes, where);
  return Int32Array.from({ length: samples }, (_, i) => labelAt(i));
}

/** Reads the class of row `i`. */
function labelReader(
  array: DataArray,
  width: number,
  classes: readonly string[] | undefined,
  where: string,
): (i: number) => number {
  const of = (i: number): string => `${where}: label ${i}`;
  if (array.dtype === 'text') return (i) => checkLabel(array.texts[i], classes, of(i));
  const values = valuesOf(array);
  // One-hot columns are in the order of the scores, whatever the names: column 0 is the first class, even if another is called 0.
  if (width > 1) return (i) => checkNumber(hotColumn(values, i, width, where), classes, of(i));
  const isBoolean = array.dtype === 'bool';
  return (i) => checkLabel(isBoolean ? values[i] !== 0 : Number(values[i]), classes, of(i));
}

/** Index of the only 1 in a one-hot row. */
function hotColumn(values: ArrayLike<number | bigint>, row: number, width: number, where: string): number {
  let hot: number | undefined;
  for (let column = 0; column < width; column++) {
    const value = Number(values[row * width + column]);
    if (value === 0) continue;
    if (value !== 1 || hot !== undefined) {
      throw new ConfigError(
        `${where} has ${width} columns, but row ${row} is not one-hot; expected one 1 among zeros, or labels [samples]`,
      );
    }
    hot = column;
  }
  if (hot === undefined) throw new ConfigError(`${where}: row ${row} has no 1; expected one-hot rows, or labels [samples]`);
  return hot;
}

/**
 * Converts a label to the number of its class. True and false are the classes with these names, whatever their case, and 1 and 0 if
 * there are none.
 * @throws ConfigError unless the label is a class.
 */
export function checkLabel(label: unknown, classes: readonly string[] | undefined, where: string): number {
  if (typeof label === 'boolean') {
    const words = classes?.map((name) => name.toLowerCase()) ?? [];
    const isNamed = words.includes('true') && words.includes('false');
    return isNamed ? words.indexOf(String(label)) : checkLabel(Number(label), classes, where);
  }
  if (typeof label === 'string') return classOf(label, classes, where);
  if (typeof label === 'number' && namedByNumbers(classes)) return classOf(String(label), classes, where);
  return checkNumber(label, classes, where);
}

/** @throws ConfigError unless the label is the number of a class. */
function checkNumber(label: unknown, classes: readonly string[] | undefined, where: string): number {
  if (typeof label === 'number' && Number.isInteger(label) && label >= 0 && label < (classes?.length ?? 2 ** 31)) return label;
  const count = classes?.length;
  const range =
    count === undefined
      ? 'a whole number, 0 or more; or name the classes in the order of the scores, such as `classes: [-1, 1]`'
      : `0 to ${count - 1}, as there are ${count} classes`;
  throw new ConfigError(`${where} is ${typeof label === 'number' ? label : shown(label)}; expected ${range}`);
}

/** Whether classes have names such as 3, 7 and 9: a label of 7 is then the second class. Classes 0, 1, 2 ... are their own numbers. */
function namedByNumbers(classes: readonly string[] | undefined): boolean {
  const areNumbers = classes?.every((name) => /^-?\d+$/.test(name)) ?? false;
  return areNumbers && classes!.some((name, i) => name !== String(i));
}

/** Blanks around a label do not count, as after the commas of a table, unless they tell classes apart. */
function classOf(label: string, classes: readonly string[] | undefined, where: string): number {
  const exact = classes?.indexOf(label) ?? -1;
  if (exact !== -1) return exact;
  const word = label.trim();
  const index = classes?.findIndex((name) => name.trim() === word) ?? -1;
  if (index !== -1) return index;
  const expected =
    classes === undefined
      ? 'a whole number; or name the classes in the order of the scores, such as `classes: [cat, dog]`'
      : `one of the classes ${classes.join(', ')}`;
  throw new ConfigError(`${where} is ${shown(label)}; expected ${expected}`);
}
