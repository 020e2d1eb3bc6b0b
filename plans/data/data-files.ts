import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { unzipSync } from 'fflate';
import { fileProblem, headOf } from '../../engine/backend/file-kind.ts';
import { ConfigError, messageOf } from '../../engine/errors.ts';
import { readCsv } from './csv.ts';
import { splitMember } from './member-path.ts';
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
      table = /\.parquet$/i.test(file) ? readParquet(readFileSync(file), name) : readCsv(textOf(file), name);
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
      const bytes = readFileSync(file);
      const other = fileProblem(file, bytes);
      if (other !== undefined) throw new ConfigError(`${name} ${other}`);
      return { array: readNpy(bytes, name), name };
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
      try {
        members = unzipSync(readFileSync(file));
      } catch (error) {
        throw new ConfigError(
          `${file} ${whatElse(file) ?? `is not a .npz archive (${messageOf(error)}); write it with numpy.savez`}`,
        );
      }
      this.#archives.set(file, members);
    }
    return members;
  }
}

/** What a file really is, if we can tell. */
function whatElse(file: string): string | undefined {
  return existsSync(file) ? fileProblem(file, headOf(file)) : 'does not exist';
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`${file} cannot be read: ${messageOf(error)}`);
  }
}
