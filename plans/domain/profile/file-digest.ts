import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { externalFiles } from '../../../engine/backend/external-data.ts';
import { isOnServersOnly, type ModelEntry } from '../deployment/model-entry.ts';

/** Cache by path, size and times: each process reads a file once, however often it is needed. */
const digests = new Map<string, string>();
const externals = new Map<string, readonly string[]>();

/** Weights may be larger than what can be read at once. Every process reads them, and keeps what its largest read took. */
const CHUNK_BYTES = 64 * 2 ** 10;

/** SHA-256 of a file's content, as hex. */
export function fileDigest(path: string): string {
  return remembered(digests, path, contentDigest);
}

/**
 * The files that make up a model, relative to the folder of its ONNX file: that file, then its external weights.
 * @throws ConfigError when it is not an ONNX model, or weights are missing.
 */
export function modelFiles(file: string): readonly string[] {
  return [basename(file), ...remembered(externals, file, externalFiles)];
}

/**
 * Digest of everything that makes up a model: the content of its file, and the names and contents of its external weight files.
 * @throws ConfigError as `modelFiles` does.
 */
export function modelDigest(file: string): string {
  const [own, ...external] = modelFiles(file);
  const folder = dirname(file);
  const digest = fileDigest(join(folder, own));
  if (external.length === 0) return digest;
  const parts = external.map((location) => [location, fileDigest(join(folder, location))]);
  return createHash('sha256')
    .update(JSON.stringify([digest, ...parts]))
    .digest('hex');
}

/**
 * Digest of a model of the family. For a model that is only on servers, it covers just the name and version there, because only
 * the server knows whether the weights have changed.
 * @throws ConfigError as `modelFiles` does.
 */
export function entryDigest(entry: Pick<ModelEntry, 'file' | 'remote'>): string {
  return isOnServersOnly(entry) ? createHash('sha256').update(entry.file).digest('hex') : modelDigest(entry.file);
}

/** The inode's change time reveals a change that kept size and modification time. */
function remembered<T>(known: Map<string, T>, path: string, read: (path: string) => T): T {
  const { size, mtimeMs, ctimeMs, ino } = statSync(path);
  const key = [path, size, mtimeMs, ctimeMs, ino].join('\0');
  const value = known.get(key) ?? read(path);
  known.set(key, value);
  return value;
}

function contentDigest(path: string): string {
  const hash = createHash('sha256');
  const file = openSync(path, 'r');
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  try {
    for (let read = readSync(file, chunk); read > 0; read = readSync(file, chunk)) hash.update(chunk.subarray(0, read));
  } finally {
    closeSync(file);
  }
  return hash.digest('hex');
}
