import Papa from 'papaparse';
import { ConfigError } from '../../engine/errors.ts';

/** One line of a file of separated values. */
export interface Row {
  /** Counted from 1. */
  readonly line: number;
  readonly cells: readonly string[];
}

/** The part of a wrong value that an error shows. */
export function excerpt(text: string): string {
  return JSON.stringify(text.length <= 60 ? text : `${text.slice(0, 57)}...`);
}

const BYTE_ORDER_MARK = '\uFEFF';

/**
 * Splits lines at commas, or at tabs or semicolons if the first line has those instead. Skips empty lines.
 * @param file what to call it in messages.
 */
export async function* rowsOf(lines: AsyncIterable<string> | Iterable<string>, file: string): AsyncGenerator<Row> {
  let delimiter: string | undefined;
  let line = 0;
  for await (const text of lines) {
    line++;
    const clean = line === 1 && text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
    if (clean.trim() === '') continue;
    delimiter ??= [',', '\t', ';'].find((candidate) => clean.includes(candidate)) ?? ',';
    yield { line, cells: cellsOf(clean, delimiter, `${file}:${line}`) };
  }
}

function cellsOf(text: string, delimiter: string, at: string): string[] {
  if (!text.includes('"')) return text.split(delimiter).map((cell) => cell.trim());
  const { data, errors } = Papa.parse<string[]>(text, { delimiter });
  const [damage] = errors;
  if (damage !== undefined) throw new ConfigError(`${at}: ${excerpt(text)}: ${damage.message}; each row is one line`);
  return data[0].map((cell) => cell.trim());
}
