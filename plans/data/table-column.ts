import { ConfigError } from '../../engine/errors.ts';
import { describeSpec, elements, type TensorSpec } from '../../engine/tensor/tensor.ts';
import { arrayColumn, type Column, parseValue } from './columns.ts';
import type { DataArray } from './npy.ts';
import type { TableColumn } from './table.ts';
import { strayCell } from './table-layout.ts';

/**
 * Combines columns of a table, side by side, into the values of one input.
 * @throws ConfigError as `arrayColumn` does.
 */
export function tableColumn(spec: TensorSpec, columns: readonly TableColumn[], where: string): Column {
  const [first] = columns;
  if (columns.length === 1 && first.type === 'lists') return listColumn(spec, first.values, where);
  const stray = spec.dtype === 'string' ? '' : strayCell(columns);
  if (stray !== '') throw new ConfigError(`${where}: the models need ${spec.name} ${describeSpec(spec)}${stray}`);
  const array = columns.length === 1 ? columnArray(asTexts(first, spec, where), where) : sideBySide(columns, where);
  const { shape } = spec;
  const [count, width = 1] = array.shape;
  // A table row is flat, for example the pixels of an image in order.
  const isWhole = !shape.includes(null) && elements(shape as number[]) === width;
  return arrayColumn(spec, isWhole ? { ...array, shape: [count, ...(shape as number[])] } : array, where);
}

/** A column of numbers as they are written, for an input of texts: codes, such as those of postal districts. */
function asTexts(column: TableColumn, spec: TensorSpec, where: string): TableColumn {
  if (spec.dtype !== 'string' || column.type !== 'numbers') return column;
  const { name, cells } = column;
  if (cells !== undefined) return { type: 'texts', name, values: cells() };
  throw new ConfigError(`${where}: column ${name} holds numbers, but the models need ${spec.name} as texts; save it as texts`);
}

/** @throws ConfigError for columns of dates and records, and of lists unless they are equally long and hold numbers. */
export function columnArray(column: TableColumn, where: string): DataArray {
  switch (column.type) {
    case 'numbers':
      if (column.isBoolean) return { dtype: 'bool', shape: [column.values.length], data: Uint8Array.from(column.values) };
      return { dtype: 'float64', shape: [column.values.length], data: new Uint8Array(column.values.slice().buffer) };
    case 'texts':
      return { dtype: 'text', shape: [column.values.length], texts: column.values };
    case 'lists':
      return matrixOf(column.values, where);
    case 'other':
      throw new ConfigError(`${where} holds dates or records; expected numbers or texts`);
  }
}

/** [rows, numbers per list] */
function matrixOf(lists: readonly unknown[], where: string): DataArray {
  const [first] = lists;
  const width = Array.isArray(first) ? first.length : 0;
  const isRow = (list: unknown): list is number[] =>
    Array.isArray(list) && list.length === width && list.every((value) => typeof value === 'number');
  const other = lists.findIndex((list) => !isRow(list));
  if (width === 0 || other !== -1)
    throw new ConfigError(`${where}: row ${other + 1} does not hold a list of ${width || 'some'} numbers, as long as the others`);
  return {
    dtype: 'float64',
    shape: [lists.length, width],
    data: new Uint8Array(Float64Array.from(lists.flat() as number[]).buffer),
  };
}

function sideBySide(columns: readonly TableColumn[], where: string): DataArray {
  const parts = columns.map((column) => {
    if (column.type === 'numbers') return column.values;
    throw new ConfigError(`${where}: column ${column.name} does not hold numbers`);
  });
  const [count, width] = [parts[0].length, parts.length];
  const values = new Float64Array(count * width);
  parts.forEach((part, i) => {
    for (let row = 0; row < count; row++) values[row * width + i] = part[row];
  });
  return { dtype: 'float64', shape: [count, width], data: new Uint8Array(values.buffer) };
}

function listColumn(spec: TensorSpec, lists: readonly unknown[], where: string): Column {
  const tensors = lists.map((list, row) => parseValue(spec, list, `${where}: row ${row + 1}`));
  return { count: tensors.length, tensor: (index) => tensors[index] };
}
