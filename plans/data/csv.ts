import Papa from 'papaparse';
import { ConfigError } from '../../engine/errors.ts';
import type { Table, TableColumn } from './table.ts';

/** Cells without a value, as written by pandas, R and databases. */
const MISSING = new Set(['', 'na', 'n/a', 'nan', 'null', 'none']);

const BOOLEAN = /^\s*(true|false)\s*$/i;

/**
 * Reads comma, semicolon or tab separated values. A column whose cells are all numbers, true or false, or empty becomes numbers; any
 * other becomes text. The first row is a header if none of its cells is a number, or if its numbers count the columns.
 * @param name what to call the file in messages.
 * @throws ConfigError for rows of unequal length, damaged quotes, and a file without rows.
 */
export function readCsv(text: string, name: string): Table {
  const numbers: number[][] = [];
  const isBoolean: boolean[] = [];
  const hasNumbers: boolean[] = [];
  const strays: { row: number; cell: string }[] = [];
  const names = forEachRow(text, name, (row, line) => {
    for (let i = 0; i < row.length; i++) {
      const value = numberOf(row[i]);
      numbers[i] ??= [];
      numbers[i].push(value ?? Number.NaN);
      if (value === undefined) strays[i] ??= { row: line, cell: row[i] };
      else hasNumbers[i] ||= !Number.isNaN(value);
      isBoolean[i] = (isBoolean[i] ?? true) && BOOLEAN.test(row[i]);
    }
  });
  const isText = names.map((_, i) => strays[i] !== undefined);
  const texts = names.map((): string[] => []);
  if (isText.includes(true)) {
    forEachRow(text, name, (row) => {
      for (let i = 0; i < row.length; i++) if (isText[i]) texts[i].push(row[i]);
    });
  }
  const columns = names.map(
    (column, i): TableColumn =>
      isText[i]
        ? { type: 'texts', name: column, values: texts[i], ...(hasNumbers[i] ? { stray: strays[i] } : {}) }
        : {
            type: 'numbers',
            name: column,
            values: Float64Array.from(numbers[i]),
            cells: () => cellsOf(text, name, i),
            ...(isBoolean[i] ? { isBoolean: true } : {}),
          },
  );
  return { count: numbers[0].length, columns };
}

function cellsOf(text: string, name: string, column: number): readonly string[] {
  const cells: string[] = [];
  forEachRow(text, name, (row) => cells.push(row[column]));
  return cells;
}

/** Calls back for each row except the header, which it returns: `0`, `1` ... if the file has none. */
function forEachRow(text: string, name: string, callback: (row: readonly string[], line: number) => void): string[] {
  let names: string[] | undefined;
  let line = 0;
  let rows = 0;
  Papa.parse<string[]>(text, {
    delimiter: name.includes('.tsv') ? '\t' : '',
    skipEmptyLines: 'greedy',
    step: ({ data: row, errors }) => {
      line++;
      const damage = errors.find((error) => error.type === 'Quotes');
      if (damage !== undefined) throw new ConfigError(`${name}: row ${line}: ${damage.message}`);
      if (names === undefined) {
        const header = isHeader(row);
        names = row.map((cell, i) => (header ? cell.trim() : String(i)));
        if (header) return;
      }
      if (row.length !== names.length) {
        throw new ConfigError(
          `${name}: row ${line} has ${row.length} cells, but the first row has ${names.length}; rows must be equally long`,
        );
      }
      rows++;
      callback(row, line);
    },
  });
  if (names === undefined || rows === 0)
    throw new ConfigError(`${name} has no rows; expected a header row, then one row per sample`);
  return names;
}

function isHeader(row: readonly string[]): boolean {
  const offsets = row.flatMap((cell, i) => {
    const value = numberOf(cell);
    return value === undefined || Number.isNaN(value) ? [] : [value - i];
  });
  // pandas names columns 0, 1, 2 ..., after the index column, if it is written.
  const counted = offsets.every((offset) => offset === offsets[0]) && (offsets[0] === 0 || offsets[0] === -1);
  return offsets.length === 0 || (offsets.length > 2 && counted);
}

/** NaN when the cell is empty; undefined when it is text. */
function numberOf(cell: string): number | undefined {
  const word = cell.trim().toLowerCase();
  // Number() reads a cell of spaces as 0.
  const value = word === '' ? Number.NaN : Number(word);
  if (!Number.isNaN(value)) return value;
  if (MISSING.has(word)) return Number.NaN;
  if (BOOLEAN.test(word)) return Number(word === 'true');
  const infinite = /^([+-]?)inf(inity)?$/.exec(word);
  return infinite === null ? undefined : infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}
