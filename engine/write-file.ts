import { randomBytes } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  existsSync,
  lstatSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ConfigError, messageOf } from './errors.ts';

/**
 * We may not put another file in this one's place: folders without permission, other users' files, files that are mounted into a
 * container, names that leave no room for `.tmp`, and owners that this container does not know.
 */
const ONLY_IN_PLACE = new Set(['EACCES', 'EPERM', 'EROFS', 'EBUSY', 'ENAMETOOLONG', 'EINVAL']);

/**
 * Writes a file that a user has named, through links; an old one keeps its owner, group, permissions and hard links. Where we may
 * replace it, a reader sees the old text or the new one, never half of it. Devices and pipes are written, not replaced.
 * @param name what to call the file in messages.
 * @throws ConfigError when it cannot, also when the file is read-only.
 */
export function writeWhole(file: string, text: string, name = file): void {
  try {
    const old = statSync(file, { throwIfNoEntry: false });
    // As before the work: a new name in the folder would get round a file that its owner made read-only.
    if (old !== undefined) accessSync(file, constants.W_OK);
    const isNew = old === undefined && lstatSync(file, { throwIfNoEntry: false }) === undefined;
    if (isNew) replace(file, text);
    else if (old?.isFile() && old.nlink === 1) replace(realpathSync(file), text, old);
    else writeFileSync(file, text);
  } catch (error) {
    throw new ConfigError(`${name} cannot be written: ${messageOf(error)}`);
  }
}

function replace(file: string, text: string, old?: Stats): void {
  const partial = `${file}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    // Until it has the old owner and permissions, nobody else may read it.
    writeFileSync(partial, text, { flag: 'wx', mode: old === undefined ? 0o666 : 0o600 });
    if (old !== undefined) {
      chownSync(partial, old.uid, old.gid);
      chmodSync(partial, old.mode & 0o777);
    }
    renameSync(partial, file);
  } catch (error) {
    if (existsSync(partial)) rmSync(partial);
    if (!ONLY_IN_PLACE.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    writeFileSync(file, text);
  }
}

/**
 * Call this before the work whose result goes into the file.
 * @throws ConfigError when `writeWhole` would have no permission to write it.
 */
export function requireWritable(file: string, name = file): void {
  const problem = whyUnwritable(file);
  if (problem !== undefined) throw new ConfigError(`${name} ${problem}`);
}

/** @returns `is a folder`, for example; undefined if the file may be written. */
export function whyUnwritable(file: string): string | undefined {
  try {
    const there = statSync(file, { throwIfNoEntry: false });
    if (there?.isDirectory()) return 'is a folder; name a file';
    if (there !== undefined) accessSync(file, constants.W_OK);
    else if (lstatSync(file, { throwIfNoEntry: false }) === undefined) accessSync(`${dirname(resolve(file))}/.`, constants.W_OK);
    // A link whose target does not exist yet.
    else return whyUnwritable(resolve(realpathSync(dirname(file)), readlinkSync(file)));
    return undefined;
  } catch (error) {
    return `cannot be written: ${messageOf(error)}`;
  }
}
