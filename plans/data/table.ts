/** A table from a CSV or Parquet file: columns of equal length, in file order. */
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
  /** NaN when a cell is empty; true and false are 1 and 0, and `isBoolean` says that all cells are. */
  | { readonly type: 'numbers'; readonly name: string; readonly values: Float64Array; readonly isBoolean?: boolean }
  /** `stray` is the first cell that is no number, if others are. */
  | { readonly type: 'texts'; readonly name: string; readonly values: readonly string[]; readonly stray?: Stray }
  /** One list of numbers per row, possibly nested. */
  | { readonly type: 'lists'; readonly name: string; readonly values: readonly unknown[] }
  /** Types that no model accepts: dates, records. */
  | { readonly type: 'other'; readonly name: string };
