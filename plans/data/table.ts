/** A table from a CSV or Parquet file, or from JSON lines without `inputs`: columns of equal length, in file order. */
export interface Table {
  readonly count: number;
  readonly columns: readonly TableColumn[];
}

/** A cell that makes a column of numbers a column of texts. */
interface Stray {
  /** Of the file, counted from 1. */
  readonly row: number;
  readonly cell: string;
}

export type TableColumn =
  /**
   * NaN when a cell is empty; true and false are 1 and 0, and `isBoolean` says that all cells are. `cells` returns them as they are
   * written, for models that take numbers as texts; formats that have types do not have it.
   */
  | {
      readonly type: 'numbers';
      readonly name: string;
      readonly values: Float64Array;
      readonly isBoolean?: boolean;
      readonly cells?: () => readonly string[];
    }
  /** `stray` is the first cell that is no number, if others are. */
  | { readonly type: 'texts'; readonly name: string; readonly values: readonly string[]; readonly stray?: Stray }
  /** One list of numbers per row, possibly nested; null or undefined where there is none. */
  | { readonly type: 'lists'; readonly name: string; readonly values: readonly unknown[] }
  /** Types that no model accepts: dates, records. */
  | { readonly type: 'other'; readonly name: string };

/**
 * A column of values of any kind, as Parquet and JSON have them.
 * @param values one per row; null or undefined where there is none.
 */
export function columnOf(name: string, values: readonly unknown[]): TableColumn {
  const known = values.filter((value) => value !== null && value !== undefined);
  if (known.every((value) => typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')) {
    const numbers = Float64Array.from(values, (value) => (value == null ? Number.NaN : Number(value)));
    const isBoolean = values.every((value) => typeof value === 'boolean');
    return { type: 'numbers', name, values: numbers, ...(isBoolean ? { isBoolean } : {}) };
  }
  if (known.every((value) => typeof value !== 'object')) {
    const texts = values.map((value) => String(value ?? ''));
    const row = values.findIndex((value) => typeof value === 'string');
    const isMixed = known.some((value) => typeof value !== 'string');
    return { type: 'texts', name, values: texts, ...(isMixed ? { stray: { row: row + 1, cell: texts[row] } } : {}) };
  }
  if (known.every(Array.isArray)) return { type: 'lists', name, values: values.map(plain) };
  return { type: 'other', name };
}

/** Converts lists of 64-bit integers to lists of numbers. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  return Array.isArray(value) ? value.map(plain) : value;
}
