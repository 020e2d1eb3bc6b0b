import { type DecodedArray, parquetMetadata, parquetSchema } from 'hyparquet';
import { assembleNested } from 'hyparquet/src/assemble.js';
import { readColumn } from 'hyparquet/src/column.js';
import { DEFAULT_PARSERS } from 'hyparquet/src/convert.js';
import { parquetPlan } from 'hyparquet/src/plan.js';
import { getTreePath } from 'hyparquet/src/schema.js';
import { flatten } from 'hyparquet/src/utils.js';
import { compressors } from 'hyparquet-compressors';
import { ConfigError, messageOf } from '../../engine/errors.ts';
import { columnOf, type Table } from './table.ts';

/**
 * Reads a whole Parquet file.
 * @param name what to call the file in messages.
 * @throws ConfigError for another format, and a file without rows.
 */
export function readParquet(bytes: Uint8Array<ArrayBuffer>, name: string): Table {
  let columns: Map<string, unknown[]>;
  try {
    columns = readColumns(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  } catch (error) {
    throw new ConfigError(`${name} cannot be read as a Parquet file: ${messageOf(error)}`);
  }
  const [first] = columns.values();
  if (first === undefined || first.length === 0) throw new ConfigError(`${name} has no rows; expected one per sample`);
  return { count: first.length, columns: Array.from(columns, ([column, values]) => columnOf(column, values)) };
}

/** The values of each top-level column. The library's own reader is asynchronous, for files on the web. */
function readColumns(file: ArrayBuffer): Map<string, unknown[]> {
  const metadata = parquetMetadata(file);
  const schema = parquetSchema(metadata);
  const columns = new Map(schema.children.map((child): [string, unknown[]] => [child.element.name, []]));
  for (const group of parquetPlan({ file, metadata }).groups) {
    const parts = new Map<string, DecodedArray>();
    for (const { columnMetadata, range } of group.chunks) {
      const { path_in_schema: pathInSchema } = columnMetadata;
      const schemaPath = getTreePath(schema, pathInSchema);
      const { element } = schemaPath[schemaPath.length - 1];
      const decoder = { ...columnMetadata, pathInSchema, schemaPath, element, compressors, parsers: DEFAULT_PARSERS };
      const view = new DataView(file, range.startByte, range.endByte - range.startByte);
      parts.set(pathInSchema.join('.'), flatten(readColumn({ view, offset: 0 }, group, decoder).data));
    }
    for (const child of schema.children) {
      if (child.children.length > 0) assembleNested(parts, child, DEFAULT_PARSERS);
      const values = columns.get(child.element.name);
      for (const value of parts.get(child.element.name) ?? []) values?.push(value);
    }
  }
  return columns;
}
