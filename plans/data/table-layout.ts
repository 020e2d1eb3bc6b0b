import { ConfigError } from '../../engine/errors.ts';
import { describeSpec, elements, type TensorSpec } from '../../engine/tensor/tensor.ts';
import { shown } from '../domain/deployment/shown.ts';
import type { Table, TableColumn } from './table.ts';

/** The role of each column in a table. */
export interface TableLayout {
  /** Per input of the family: the columns that make up its values, in order. */
  readonly inputs: readonly (readonly TableColumn[])[];
  readonly label: TableColumn | undefined;
  /** Columns with no role. */
  readonly unused: readonly TableColumn[];
}

/** Likeliest first. */
const LABEL_NAMES = [/^labels?$/i, /^targets?$/i, /^class(es)?$/i, /^y(_?(true|test))?$/i];
/** Names of row numbers or keys, as written by pandas and databases. */
const INDEX_NAMES = /^(|unnamed: 0|index|id|row_?id|__index_level_0__)$/i;

/**
 * Finds inputs and labels among the columns of a table. An input uses the column with its name; if only one input has no such column,
 * it uses the remaining numeric columns (or the only column of texts or lists). The label is the given column, or the only one called
 * label, target, class or y, or the last one if it is not an input.
 * @param name what to call the table in messages.
 * @throws ConfigError when a column is missing, several may be the label, or the remaining columns do not make up the input.
 */
export function layOut(table: Table, specs: readonly TensorSpec[], labelName: string | undefined, name: string): TableLayout {
  const named = specs.map((spec) => table.columns.find((column) => column.name === spec.name));
  let label = labelName === undefined ? onlyLabel() : columnNamed(table, labelName, name);
  const open = specs.filter((_, i) => named[i] === undefined);
  if (open.length > 1) {
    throw new ConfigError(
      `${name} has no columns ${open.map((spec) => spec.name).join(' and ')}; the models need ${specs.map((spec) => `${spec.name} ${describeSpec(spec)}`).join(', ')}; its columns are ${namesOf(table.columns)}`,
    );
  }
  const rest = table.columns.filter((column) => column !== label && !named.includes(column));
  const [spec] = open;
  const last = table.columns.at(-1);
  let features = spec === undefined ? [] : featuresOf(spec, rest);
  if (features === undefined && label === undefined)
    features = featuresOf(
      spec,
      rest.filter((column) => column !== last),
    );
  if (features === undefined) {
    const kind = spec.dtype === 'string' ? 'texts' : 'numbers';
    const count = rest.filter(({ type }) => type === kind).length;
    const besides = label === undefined ? '' : ` besides the label ${label.name}`;
    throw new ConfigError(
      `${name} has ${count} column${count === 1 ? '' : 's'} of ${kind}${besides}; the models need ${spec.name} ${describeSpec(spec)}; its columns are ${namesOf(table.columns)}${spec.dtype === 'string' ? '' : strayCell(rest)}`,
    );
  }
  const inputs = named.map((column) => (column === undefined ? features : [column]));
  const taken = inputs.flat();
  if (last !== undefined && !taken.includes(last) && (last.type === 'numbers' || last.type === 'texts')) label ??= last;
  return { inputs, label, unused: table.columns.filter((column) => column !== label && !taken.includes(column)) };

  /** A feature may be called y or class, so a choice between two would be a guess that nobody notices. */
  function onlyLabel(): TableColumn | undefined {
    const free = table.columns.filter((column) => !named.includes(column));
    const candidates = LABEL_NAMES.flatMap((names) => free.filter((column) => names.test(column.name)));
    const [likeliest] = candidates;
    if (candidates.length < 2 && !isCoordinate(likeliest, table.columns)) return likeliest;
    const last = table.columns[table.columns.length - 1];
    if (candidates.length < 2) candidates.push(last);
    throw new ConfigError(
      `${name}: each of the columns ${namesOf(candidates)} may be the label; name it, such as \`labels: FILE#${likeliest.name}\`, or rename the others`,
    );
  }
}

/** A column y between others, one of them x, may be the other coordinate of points, and the last column the label. */
function isCoordinate(column: TableColumn | undefined, columns: readonly TableColumn[]): boolean {
  if (column === undefined || !/^y$/i.test(column.name) || column === columns[0] || column === columns.at(-1)) return false;
  return columns.some(({ name }) => /^x$/i.test(name));
}

/** @throws ConfigError when the table has no such column. */
export function columnNamed(table: Table, column: string, name: string): TableColumn {
  const found = table.columns.find((one) => one.name === column);
  if (found !== undefined) return found;
  throw new ConfigError(`${name} has no column ${column}; its columns are ${namesOf(table.columns)}`);
}

/** `; column age holds texts, as row 7 has "?"`: the first cell that is no number in a column of numbers; empty if there is none. */
export function strayCell(columns: readonly TableColumn[]): string {
  const strays = columns.flatMap(({ name, ...column }) =>
    column.type === 'texts' && column.stray !== undefined ? [{ name, ...column.stray }] : [],
  );
  if (strays.length === 0) return '';
  const { name, row, cell } = strays.reduce((first, stray) => (stray.row < first.row ? stray : first));
  return `; column ${name} holds texts, as row ${row} has ${shown(cell)}: write a number, or leave the cell empty`;
}

/** The columns that make up an input, if that is unambiguous. */
function featuresOf(spec: TensorSpec, columns: readonly TableColumn[]): readonly TableColumn[] | undefined {
  const width = spec.shape.includes(null) ? undefined : elements(spec.shape as number[]);
  if (spec.dtype === 'string') {
    const texts = columns.filter(({ type }) => type === 'texts');
    return texts.length === 1 && (width ?? 1) === 1 ? texts : undefined;
  }
  const numbers = columns.filter(({ type }) => type === 'numbers');
  const atEnd = (i: number): boolean => i === 0 || i === numbers.length - 1;
  const unnumbered = numbers.filter((column, i) => !(atEnd(i) && INDEX_NAMES.test(column.name)));
  for (const chosen of [numbers, unnumbered]) if (chosen.length === width && width > 0) return chosen;
  const lists = columns.filter(({ type }) => type === 'lists');
  if (lists.length === 1) return lists;
  // With any number of columns, nobody would notice that one is missing.
  const isPlain = lists.length === 0 && strayCell(columns) === '';
  return width === undefined && spec.shape.length === 1 && unnumbered.length > 0 && isPlain ? unnumbered : undefined;
}

function namesOf(columns: readonly TableColumn[]): string {
  const names = columns.map((column) => (column.name === '' ? '(no name)' : column.name));
  return names.length <= 12 ? names.join(', ') : `${names.slice(0, 10).join(', ')} and ${names.length - 10} more`;
}
