import { ConfigError, messageOf } from '../../engine/errors.ts';
import { columnOf, type Table } from './table.ts';

/**
 * Reads JSON lines whose fields are the columns of a table, as pandas and Hugging Face's datasets write them:
 * `{"text": "hello", "label": 3}`.
 * @param name what to call the file in messages.
 * @throws ConfigError for lines that are not records, and a file without lines.
 */
export function readJsonRecords(text: string, name: string): Table {
  const records: Readonly<Record<string, unknown>>[] = [];
  let names: readonly string[] = [];
  text.split('\n').forEach((line, i) => {
    if (line.trim() === '') return;
    const where = `${name}:${i + 1}`;
    const record = recordOf(line, where);
    if (records.length === 0) names = orderedNames(record, line, where);
    const late = Object.keys(record).find((column) => !names.includes(column));
    // Its place among the columns would be a guess.
    if (late !== undefined)
      throw new ConfigError(`${where} has ${late}, which the first line has not; write null where there is no value`);
    records.push(record);
  });
  return {
    count: records.length,
    columns: names.map((column) =>
      columnOf(
        column,
        records.map((record) => (Object.hasOwn(record, column) ? record[column] : undefined)),
      ),
    ),
  };
}

/**
 * The fields in written order. JavaScript puts names that are whole numbers first, in ascending order.
 * @throws ConfigError when they are written in another.
 */
function orderedNames(record: Readonly<Record<string, unknown>>, line: string, where: string): readonly string[] {
  const names = Object.keys(record);
  const numbers = names.filter((column) => /^(0|[1-9]\d*)$/.test(column));
  const written = Array.from(line.matchAll(/[{,]\s*"(0|[1-9]\d*)"\s*:/g), ([, column]) => column);
  const areFirst = numbers.length === 0 || line.trimStart().slice(1).trimStart().startsWith(JSON.stringify(names[0]));
  if (areFirst && written.join() === numbers.join()) return names;
  throw new ConfigError(
    `${where} has fields that are called by numbers (${numbers.slice(0, 3).join(', ')}), not first and in ascending order; give them other names, or write CSV`,
  );
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
