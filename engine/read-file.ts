import { constants, isUtf8 } from 'node:buffer';
import { closeSync, lstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { ConfigError, messageOf } from './errors.ts';

/**
 * Reads a whole file that a user has given.
 * @param name what to call the file in messages.
 * @param smaller what to do about a file above 2 GiB.
 * @throws ConfigError when it cannot be read.
 */
export function readBytes(file: string, name = file, smaller = 'split it, or use fewer samples'): Buffer<ArrayBuffer> {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new ConfigError(`${name} ${whyUnreadable(error, file, smaller)}`);
  }
}

const HEAD_BYTES = 65_536;

/**
 * The first bytes of a file: enough to recognise its type and to read the header of a .npy file.
 * @throws ConfigError when it cannot be read.
 */
export function headOf(file: string): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES);
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, 'r');
    return head.subarray(0, readSync(descriptor, head, 0, HEAD_BYTES, 0));
  } catch (error) {
    throw new ConfigError(`${file} ${whyUnreadable(error, file, '')}`);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function whyUnreadable(error: unknown, file: string, smaller: string): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return lstatSync(file, { throwIfNoEntry: false }) === undefined
        ? 'does not exist'
        : 'is a link to a file that does not exist; copy the file itself, or download it again';
    case 'EACCES':
    case 'EPERM':
      return 'cannot be read: this user has no permission; change it with `chmod` or `chown`';
    case 'EISDIR':
      return 'is a folder, not a file';
    case 'ERR_FS_FILE_TOO_LARGE':
      return `is larger than 2 GiB; ${smaller}`;
    default:
      return `cannot be read: ${messageOf(error)}`;
  }
}

/**
 * Reads a text file that a user has given, without its byte order mark.
 * @throws ConfigError as `readBytes` does, and when it is not UTF-8.
 */
export function readText(file: string, name = file): string {
  return decodeText(readBytes(file, name), name);
}

/** @throws ConfigError when it is not UTF-8, or longer than a string may be: 512 MiB. */
export function decodeText(bytes: Uint8Array, name: string): string {
  if (!isUtf8(bytes)) throw new ConfigError(`${name} ${whyNotUtf8(bytes)}; save it as UTF-8`);
  if (bytes.length > constants.MAX_STRING_LENGTH)
    throw new ConfigError(`${name} holds more than 512 MiB of text; split it, or use fewer samples`);
  return new TextDecoder().decode(bytes);
}

function whyNotUtf8(bytes: Uint8Array): string {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) return 'is text in UTF-16';
  // No character of UTF-8 contains the byte of a line feed, so lines can be tried on their own.
  for (let line = 1, start = 0; ; line++) {
    const feed = bytes.indexOf(0x0a, start);
    if (!isUtf8(bytes.subarray(start, feed === -1 ? bytes.length : feed))) return `is not text in UTF-8 (line ${line})`;
    start = feed + 1;
  }
}
