import { type Dirent, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { decodeText } from '../../engine/read-file.ts';

/** Model repositories are several folders deep: model_repository/resnet/1/model.onnx. */
const MAX_DEPTH = 6;
const MAX_FILES = 20_000;
/** Hidden folders, and ones that tools fill with their own files. */
const NOT_ENTERED = /^(\..*|node_modules|__pycache__|venv|site-packages|dist|build)$/;

/**
 * Files in a folder and its subfolders, nearest first, sorted by name. It follows links to files (Hugging Face's cache consists of
 * them), also broken ones, but not to folders.
 */
export function filesIn(root: string): readonly string[] {
  const files: string[] = [];
  let folders = [root];
  for (let depth = 0; depth < MAX_DEPTH && folders.length > 0; depth++) {
    const below: string[] = [];
    for (const folder of folders) {
      for (const entry of entriesOf(folder)) {
        const path = join(folder, entry.name);
        if (entry.isDirectory() && !NOT_ENTERED.test(entry.name)) below.push(path);
        else if (isFile(entry, path) && !entry.name.startsWith('.') && files.length < MAX_FILES) files.push(path);
      }
    }
    folders = below;
  }
  return files;
}

/** An unreadable subfolder counts as empty. */
function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch {
    return [];
  }
}

function isFile(entry: Dirent, path: string): boolean {
  if (!entry.isSymbolicLink()) return entry.isFile();
  try {
    return statSync(path).isFile();
  } catch {
    // Whoever reads it says why it cannot be read.
    return true;
  }
}

/**
 * The text of a file; undefined for a folder, a pipe, or anything else that cannot be read as one.
 * @throws ConfigError when it is not UTF-8.
 */
export function textOfFile(path: string): string | undefined {
  let bytes: Uint8Array;
  try {
    if (!statSync(path).isFile()) return undefined;
    bytes = readFileSync(path);
  } catch {
    return undefined;
  }
  return decodeText(bytes, path);
}
