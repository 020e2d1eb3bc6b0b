import { ConfigError } from '../../engine/errors.ts';
import { ArrivalCounts } from './arrival-counts.ts';
import { excerpt, type Row, rowsOf } from './rows.ts';
import { parseTimeStamp, STAMP_UNITS, type StampUnit, UNIT_NAMES, wrongUnit } from './time-stamp.ts';
import type { Trace } from './trace.ts';
import type { TraceFormat } from './trace-formats.ts';

export interface ImportOptions {
  /** Default: detected from the header. */
  readonly format?: TraceFormat;
  /** Header of the column with the time stamps; required when there are several columns, unless the format is known. */
  readonly column?: string;
  /** Unit of numeric time stamps, and of durations. Default: seconds. */
  readonly unit?: StampUnit;
  /** Only rows with all these values. */
  readonly only?: readonly { readonly column: string; readonly value: string }[];
}

/** Reads rows in one layout. */
interface Reader {
  add(row: Row): void;
  /** @returns undefined when there were no matching rows. */
  trace(): Trace | undefined;
}

const STAMP_EXAMPLES = '2023-11-16 18:17:03.98 or 1700158623.98';

/**
 * Converts a log of requests to requests per second.
 * @param lines of the file, which may be larger than memory.
 * @param file what to call it in messages.
 * @throws ConfigError naming file, line, field and value.
 */
export async function importTrace(
  lines: AsyncIterable<string> | Iterable<string>,
  file: string,
  options: ImportOptions = {},
): Promise<Trace> {
  let reader: Reader | undefined;
  let columns: readonly string[] = [];
  let wanted: { index: number; value: string }[] = [];
  let rows = 0;
  for await (const row of rowsOf(lines, file)) {
    if (reader === undefined) {
      const layout = layoutOf(row, file, options);
      columns = layout.columns;
      reader = layout.reader;
      wanted = (options.only ?? []).map(({ column, value }) => ({ index: columnIndex(columns, column, '--only', file), value }));
      if (layout.firstIsHeader) continue;
    }
    if (row.cells.length !== columns.length)
      throw new ConfigError(
        `${file}:${row.line}: ${row.cells.length} fields (${excerpt(row.cells.join(','))}), but the first row has ${columns.length}`,
      );
    rows++;
    if (wanted.every(({ index, value }) => row.cells[index] === value)) reader.add(row);
  }
  const trace = reader?.trace();
  if (trace !== undefined) return trace;
  if (rows === 0) throw new ConfigError(`${file}: no requests; expected one line per request, such as ${STAMP_EXAMPLES}`);
  const asked = (options.only ?? []).map(({ column, value }) => `${column}=${value}`).join(' and ');
  throw new ConfigError(asked === '' ? `${file}: no requests in ${rows} rows` : `${file}: none of ${rows} rows has ${asked}`);
}

interface Layout {
  readonly columns: readonly string[];
  readonly firstIsHeader: boolean;
  readonly reader: Reader;
}

const LLM_HEADER = ['TIMESTAMP', 'ContextTokens', 'GeneratedTokens'];
const INVOCATIONS_HEADER = ['app', 'func', 'end_timestamp', 'duration'];
const MINUTES_HEADER = ['HashOwner', 'HashApp', 'HashFunction', 'Trigger'];

function layoutOf(first: Row, file: string, options: ImportOptions): Layout {
  const { cells } = first;
  const begins = (header: readonly string[]): boolean => header.every((name, i) => cells[i] === name);
  const known = options.format ?? (begins(LLM_HEADER) ? 'azure-llm' : undefined);
  if (known === 'azure-llm') {
    if (!begins(LLM_HEADER)) throw wrongHeader(first, file, `Azure LLM inference traces begin with ${LLM_HEADER.join(',')}`);
    return stampLayout(first, file, { ...options, column: options.column ?? LLM_HEADER[0] });
  }
  if (known !== 'timestamps') {
    if (begins(MINUTES_HEADER)) {
      if (cells.length === MINUTES_HEADER.length)
        throw wrongHeader(first, file, 'a column for each minute, 1 to 1440, must follow');
      refuseOption('--column', options.column, file, `${PER_MINUTE}; leave it out`);
      refuseOption('--unit', options.unit, file, `${PER_MINUTE}; leave it out`);
      return withHeader(cells, minutesReader(file, cells));
    }
    if (begins(INVOCATIONS_HEADER)) {
      refuseOption('--column', options.column, file, `is counted by end_timestamp - duration; ${OR_STAMPS}`);
      return withHeader(cells, invocationReader(file, options.unit));
    }
    if (known === 'azure-functions')
      throw wrongHeader(
        first,
        file,
        `Azure Functions traces begin with ${MINUTES_HEADER.join(',')} (2019) or ${INVOCATIONS_HEADER.join(',')} (2021)`,
      );
    if (begins(['second', 'qps'])) throw new ConfigError(`${file}: is already a trace; use it directly`);
  }
  return stampLayout(first, file, options);
}

function withHeader(columns: readonly string[], reader: Reader): Layout {
  return { columns, firstIsHeader: true, reader };
}

const PER_MINUTE = 'counts requests per minute, without time stamps';
const OR_STAMPS = 'leave it out, or write --format timestamps';

/** An option without effect would go unnoticed, and the trace would be wrong. */
function refuseOption(option: string, value: string | undefined, file: string, because: string): void {
  if (value === undefined) return;
  throw new ConfigError(`${option} ${value}: ${file} ${because}`);
}

function wrongHeader({ line, cells }: Row, file: string, expected: string): ConfigError {
  return new ConfigError(`${file}:${line}: the header is ${excerpt(cells.join(','))}; ${expected}`);
}

/** Time stamps: the only column, or the named one. Without a header, columns are called 1, 2, ... */
function stampLayout({ line, cells }: Row, file: string, { column, unit = 's' }: ImportOptions): Layout {
  const firstIsHeader = cells.every((cell) => parseTimeStamp(cell, unit) === undefined);
  const columns = firstIsHeader ? cells : cells.map((_, i) => String(i + 1));
  if (column === undefined && columns.length > 1)
    throw new ConfigError(
      `${file}:${line}: several columns (${shownColumns(columns)}); name the one with the time stamps: --column NAME`,
    );
  const index = column === undefined ? 0 : columnIndex(columns, column, '--column', file);
  return { columns, firstIsHeader, reader: stampReader(file, columns[index], index, unit) };
}

function columnIndex(columns: readonly string[], name: string, option: string, file: string): number {
  const index = columns.indexOf(name);
  if (index !== -1) return index;
  throw new ConfigError(`${option} ${name}: ${file} has no such column; it has ${shownColumns(columns)}`);
}

const MOST_SHOWN = 12;

function shownColumns(columns: readonly string[]): string {
  const shown = columns.slice(0, MOST_SHOWN).join(', ');
  return columns.length > MOST_SHOWN ? `${shown} and ${columns.length - MOST_SHOWN} more` : shown;
}

function stampReader(file: string, column: string, index: number, unit: StampUnit = 's'): Reader {
  const counts = new ArrivalCounts(file);
  return {
    add({ line, cells }) {
      const seconds = parseTimeStamp(cells[index], unit);
      if (seconds === undefined)
        throw new ConfigError(
          `${file}:${line}: ${column} ${excerpt(cells[index])} is not a time stamp such as ${STAMP_EXAMPLES}`,
        );
      const wrong = wrongUnit(cells[index], unit);
      if (wrong !== undefined) throw new ConfigError(`${file}:${line}: ${column} ${excerpt(cells[index])} ${wrong}`);
      counts.add(seconds, line);
    },
    trace: () => counts.trace(),
  };
}

function invocationReader(file: string, unit: StampUnit = 's'): Reader {
  const counts = new ArrivalCounts(file);
  return {
    add({ line, cells }) {
      const [end, duration] = [2, 3].map((index) => {
        const time = cells[index] === '' ? Number.NaN : Number(cells[index]);
        if (Number.isFinite(time) && (time >= 0 || index === 2)) return time * STAMP_UNITS[unit];
        const what = `${INVOCATIONS_HEADER[index]} ${excerpt(cells[index])}`;
        throw new ConfigError(
          `${file}:${line}: ${what} is not a number of ${UNIT_NAMES[unit]}${index === 3 ? ' of 0 or more' : ''}`,
        );
      });
      const wrong = wrongUnit(cells[2], unit);
      if (wrong !== undefined) throw new ConfigError(`${file}:${line}: ${INVOCATIONS_HEADER[2]} ${excerpt(cells[2])} ${wrong}`);
      counts.add(end - duration, line);
    },
    trace: () => counts.trace(),
  };
}

const SECONDS = 60;

function minutesReader(file: string, columns: readonly string[]): Reader {
  const from = MINUTES_HEADER.length;
  const sums = new Float64Array(columns.length - from);
  let rows = 0;
  return {
    add({ line, cells }) {
      rows++;
      for (let i = 0; i < sums.length; i++) {
        const count = cells[from + i] === '' ? Number.NaN : Number(cells[from + i]);
        if (!Number.isInteger(count) || count < 0)
          throw new ConfigError(
            `${file}:${line}: minute ${columns[from + i]}: ${excerpt(cells[from + i])} is not a number of requests`,
          );
        sums[i] += count;
      }
    },
    trace: () =>
      rows === 0
        ? undefined
        : { qps: Float64Array.from({ length: SECONDS * sums.length }, (_, s) => sums[Math.floor(s / SECONDS)] / SECONDS) },
  };
}
