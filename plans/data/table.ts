/** A table as CSV and Parquet files hold it: columns of one length, in the order of the file. */
export interface Table {
  readonly count: number;
  readonly columns: readonly TableColumn[];
}

export type TableColumn =
  /** NaN where a cell is empty; true and false are 1 and 0. */
  | { readonly type: 'numbers'; readonly name: string; readonly values: Float64Array }
  | { readonly type: 'texts'; readonly name: string; readonly values: readonly string[] }
  /** One list of numbers, perhaps nested, per row. */
  | { readonly type: 'lists'; readonly name: string; readonly values: readonly unknown[] }
  /** What no model takes: dates, records. */
  | { readonly type: 'other'; readonly name: string };
