import { basename } from 'node:path';
import { unzipSync } from 'fflate';
import { fileProblem } from '../../engine/backend/file-kind.ts';
import { ConfigError, messageOf } from '../../engine/errors.ts';
import { decodeText, headOf, readBytes } from '../../engine/read-file.ts';
import { readCsv } from './csv.ts';
import { areRecords, readJsonRecords } from './json-records.ts';
import { isJsonLines, splitMember } from './member-path.ts';
import { type DataArray, readNpy } from './npy.ts';
import { readParquet } from './parquet.ts';
import type { Table } from './table.ts';

/** Reads data files. Archives and tables that hold several inputs are read only once. */
export class DataFiles {
  readonly #archives = new Map<string, Record<string, Uint8Array>>();
  readonly #tables = new Map<string, Table>();

  /** @throws ConfigError when the file is not a table, or is damaged. */
  table(file: string): Table {
    let table = this.#tables.get(file);
    if (table === undefined) {
      const name = basename(file);
      const bytes = readData(file, name);
      if (/\.parquet$/i.test(file)) table = readParquet(bytes, name);
      else table = (isJsonLines(file) ? readJsonRecords : readCsv)(decodeText(bytes, name), name);
      this.#tables.set(file, table);
    }
    return table;
  }

  /**
   * `x.npy`, `x.npz#member`, or `x.npz` with a member of the given name.
   * @param field of the deployment that names it; messages mention both.
   */
  array(path: string, defaultMember: string, field: string): { array: DataArray; name: string } {
    const { file, member = defaultMember } = splitMember(path);
    if (!/\.npz$/i.test(file)) {
      const name = `${basename(file)} (${field})`;
      return { array: readNpy(readData(file, name), name), name };
    }
    const members = this.archive(file);
    const name = `${basename(file)}#${member} (${field})`;
    if (!Object.hasOwn(members, `${member}.npy`)) {
      throw new ConfigError(`${name} does not exist; the archive has ${Object.keys(members).join(', ').replaceAll('.npy', '')}`);
    }
    return { array: readNpy(members[`${member}.npy`], name), name };
  }

  archive(file: string): Record<string, Uint8Array> {
    let members = this.#archives.get(file);
    if (members === undefined) {
      const bytes = readData(file);
      try {
        members = unzipSync(bytes);
      } catch (error) {
        throw new ConfigError(`${file} is not a .npz archive (${messageOf(error)}); write it with numpy.savez`);
      }
      this.#archives.set(file, members);
    }
    return members;
  }
}

/**
 * Whether a file has columns: a CSV or Parquet file, or JSON lines without `inputs`.
 * @throws ConfigError when JSON lines cannot be read.
 */
export function isTable(file: string): boolean {
  return /\.(csv|tsv|parquet)$/i.test(file) || (isJsonLines(file) && areRecords(headOf(file)));
}

/**
 * Reads a file of samples or labels.
 * @throws ConfigError when it cannot be read, or is of a type that we recognise and cannot use.
 */
export function readData(file: string, name = file): Buffer<ArrayBuffer> {
  const bytes = readBytes(file, name);
  const problem = fileProblem(file, bytes);
  if (problem !== undefined) throw new ConfigError(`${name} ${problem}`);
  return bytes;
}
