import { randomBytes } from 'node:crypto';
import {
  accessSync,
  chmodSync,
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
 * The folder or the mount does not let us put another file in this one's place: folders without permission, other users' files in
 * folders like /tmp, files that are mounted into a container, and names that leave no room for `.tmp`.
 */
const ONLY_IN_PLACE = new Set(['EACCES', 'EPERM', 'EROFS', 'EBUSY', 'ENAMETOOLONG']);

/**
 * Writes a file that a user has named, through links and with its permissions. Where the folder allows it, a reader sees the old text or
 * the new one, never half of it. Devices and pipes are written, not replaced.
 * @param name what to call the file in messages.
 * @throws ConfigError when it cannot.
 */
export function writeWhole(file: string, text: string, name = file): void {
  try {
    const old = statSync(file, { throwIfNoEntry: false });
    const isNew = old === undefined && lstatSync(file, { throwIfNoEntry: false }) === undefined;
    if (!isNew && !old?.isFile()) writeFileSync(file, text);
    else replace(isNew ? file : realpathSync(file), text, old);
  } catch (error) {
    throw new ConfigError(`${name} cannot be written: ${messageOf(error)}`);
  }
}

function replace(file: string, text: string, old: Stats | undefined): void {
  const partial = `${file}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    writeFileSync(partial, text, { flag: 'wx' });
    if (old !== undefined) chmodSync(partial, old.mode & 0o777);
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
