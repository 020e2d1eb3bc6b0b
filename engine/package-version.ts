import { readFileSync } from 'node:fs';

let version: string | undefined;

/** Version in our package.json, from the sources (engine/) as from the build (dist/engine/). */
export function packageVersion(): string {
  version ??= find(new URL('.', import.meta.url));
  return version;
}

function find(folder: URL): string {
  const parent = new URL('..', folder);
  try {
    const content = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8')) as { name?: string; version?: string };
    if (content.name === 'cascadeserve' && content.version !== undefined) return content.version;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return parent.href === folder.href ? '0.0.0' : find(parent);
}
