import { fileURLToPath } from 'node:url';

/** Program of a worker or child process, and the Node flags it needs. */
export interface Entry {
  readonly url: URL;
  readonly path: string;
  readonly execArgv: readonly string[];
}

/**
 * The program of a worker thread or child process: TypeScript when we run from source (with its own loader, because a test runner has
 * none to inherit), JavaScript in the built package.
 * @param name path below the root of the sources, without extension: `engine/backend/onnx-worker`.
 */
export function entry(name: string): Entry {
  const fromSource = import.meta.url.endsWith('.ts');
  const url = new URL(`../${name}${fromSource ? '.ts' : '.js'}`, import.meta.url);
  const execArgv = fromSource ? ['--import', new URL('load-typescript.mjs', import.meta.url).href] : [];
  return { url, path: fileURLToPath(url), execArgv };
}
