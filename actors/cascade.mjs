#!/usr/bin/env node
// The `cascade` binary: compiled code in the installed package; in a checkout the sources, compiled first where that is possible.
import { existsSync } from 'node:fs';

if (existsSync(new URL('./main.ts', import.meta.url))) {
  const { compileSources } = await import('../engine/compile-sources.mjs');
  const { folder, reason } = compileSources();
  if (folder !== undefined) await import(new URL('actors/main.js', folder));
  else {
    process.emitWarning(`runs from the sources by tsx, which takes more memory: ${reason}`);
    const { register } = await import('tsx/esm/api');
    register();
    await import('./main.ts');
  }
} else {
  await import('../dist/actors/main.js');
}
