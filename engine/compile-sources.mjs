// Compiles a checkout's sources like the package build, once per state of the sources. A loader that compiles at run time needs a
// thread, maps and often a compiler service in each process: tens of megabytes per device, frontend and controller.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Below a folder like ROOT: compiled sources by digest. Those that have not been used for KEPT_MS are removed. */
const COMPILED = join('.cache', 'compiled');
/** What compiled sources look for in the folder of the package. */
const USED = ['package.json', 'node_modules', 'actors', 'conf'];
const KEPT_MS = 30 * 24 * 3600 * 1000;
const FOLDERS = ['engine', 'plans', 'actors'];

/**
 * The folder of the compiled sources, or why there is none: no compiler (development dependencies are not installed), a folder that
 * cannot be written, or a syntax error.
 * @returns {{ folder?: URL, reason?: string }}
 */
export function compileSources() {
  try {
    const compiler = compilerPath();
    const name = digest(compiler);
    const places = [ROOT, ownFolder()].map((root) => join(root, COMPILED, name));
    const compiled = places.find(existsSync) ?? compileInto(places, compiler);
    touch(compiled);
    return { folder: pathToFileURL(`${compiled}/`) };
  } catch (error) {
    return { reason: messageOf(error) };
  }
}

/** A folder of this user for the checkout, which may belong to somebody else. */
function ownFolder() {
  const { XDG_CACHE_HOME: given = '' } = process.env;
  const cache = isAbsolute(given) ? given : join(homedir(), '.cache');
  return join(cache, 'cascadeserve', createHash('sha256').update(ROOT).digest('hex').slice(0, 16));
}

/** Compiles into the first place that can be written. @returns it */
function compileInto([own, other], compiler) {
  try {
    makeWritable(dirname(own));
  } catch (error) {
    try {
      makeWritable(dirname(other));
      linkPackage(join(dirname(other), '..', '..'));
    } catch (second) {
      throw new Error(`${messageOf(error)}; ${messageOf(second)}`);
    }
    compile(compiler, other);
    return other;
  }
  compile(compiler, own);
  return own;
}

function makeWritable(folder) {
  mkdirSync(folder, { recursive: true });
  accessSync(folder, constants.W_OK);
}

/** Lets the sources that are compiled below this folder find the rest of the package. */
function linkPackage(folder) {
  for (const name of USED) {
    try {
      symlinkSync(join(ROOT, name), join(folder, name));
    } catch (error) {
      // Another process, or an earlier compilation, has made the link.
      if (error?.code !== 'EEXIST') throw error;
    }
  }
}

function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/** Marks the folder as used. If the disk is read-only, nobody can remove it either. */
function touch(folder) {
  try {
    utimesSync(folder, new Date(), new Date());
  } catch (error) {
    if (!['EROFS', 'EPERM', 'EACCES'].includes(error?.code)) throw error;
  }
}

function compilerPath() {
  return join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
}

/** Digest of everything that the output depends on. */
function digest(compiler) {
  const hash = createHash('sha256').update(readFileSync(join(dirname(dirname(compiler)), 'package.json')));
  const files = FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join(folder, file)),
  );
  for (const file of ['tsconfig.json', 'tsconfig.build.json', ...files.sort()]) {
    const text = readFileSync(join(ROOT, file));
    hash.update(`${file} ${text.length}\n`).update(text);
  }
  return hash.digest('hex').slice(0, 32);
}

/** Compiles into a temporary folder and renames it, because another process may be compiling the same sources. */
function compile(compiler, compiled) {
  removeOld(dirname(compiled));
  const own = `${compiled}.${process.pid}`;
  try {
    const args = ['-p', join(ROOT, 'tsconfig.build.json'), '--outDir', own, '--declaration', 'false', '--noCheck'];
    const { status, error, stdout } = spawnSync(process.execPath, [compiler, ...args], { encoding: 'utf8' });
    if (error !== undefined) throw error;
    if (status !== 0) throw new Error(`the compiler ended with code ${status}: ${stdout.trim().split('\n', 1)[0]}`);
    if (!existsSync(compiled)) renameSync(own, compiled);
  } catch (error) {
    if (!existsSync(compiled)) throw error;
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}

function removeOld(cache) {
  for (const name of readdirSync(cache)) {
    const path = join(cache, name);
    // Another process may have just renamed or removed it.
    const found = statSync(path, { throwIfNoEntry: false });
    if (found !== undefined && Date.now() - found.mtimeMs > KEPT_MS) rmSync(path, { recursive: true, force: true });
  }
}
