import { ConfigError, messageOf } from '../../engine/errors.ts';
import { columnOf, type Table } from './table.ts';

/**
 * Reads JSON lines whose fields are the columns of a table, as pandas and Hugging Face's datasets write them:
 * `{"text": "hello", "label": 3}`.
 * @param name what to call the file in messages.
 * @throws ConfigError for lines that are not records, and a file without lines.
 */
export function readJsonRecords(text: string, name: string): Table {
  const records = text.split('\n').flatMap((line, i) => (line.trim() === '' ? [] : [recordOf(line, `${name}:${i + 1}`)]));
  const names = new Set(records.flatMap(Object.keys));
  return {
    count: records.length,
    columns: Array.from(names, (column) =>
      columnOf(
        column,
        records.map((record) => (Object.hasOwn(record, column) ? record[column] : undefined)),
      ),
    ),
  };
}

function recordOf(line: string, where: string): Readonly<Record<string, unknown>> {
  const value = parseJsonLine(line, where);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new ConfigError(`${where} is not a record; expected {"<name>": value, ...}`);
}

/** @throws ConfigError unless it is JSON. */
export function parseJsonLine(line: string, where: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new ConfigError(`${where} is not JSON: ${messageOf(error)}`);
  }
}

/** @param head the first bytes of a file of JSON lines; samples with `inputs` are not a table. */
export function areRecords(head: Uint8Array): boolean {
  const [first] = new TextDecoder().decode(head).trimStart().split('\n', 1);
  return first.startsWith('{') && !/"inputs"\s*:\s*\{/.test(first);
}
