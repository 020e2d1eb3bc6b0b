import { readFileSync } from 'node:fs';

let info: { readonly root: URL; readonly version: string } | undefined;

/** Version in our package.json. */
export function packageVersion(): string {
  info ??= find(new URL('.', import.meta.url));
  return info.version;
}

/** Folder of our package.json; works for the sources (engine/) and for the build (dist/engine/). */
export function packageRoot(): URL {
  info ??= find(new URL('.', import.meta.url));
  return info.root;
}

function find(folder: URL): { root: URL; version: string } {
  const parent = new URL('..', folder);
  try {
    const content = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8')) as { name?: string; version?: string };
    if (content.name === 'cascadeserve' && content.version !== undefined) return { root: folder, version: content.version };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  if (parent.href === folder.href) throw new Error('package.json of cascadeserve is not above its own sources');
  return find(parent);
}
