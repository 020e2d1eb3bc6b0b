#!/usr/bin/env node
// The `cascade` binary: compiled code in the installed package, the sources by tsx in a checkout.
import { existsSync } from 'node:fs';

if (existsSync(new URL('./main.ts', import.meta.url))) {
  const { register } = await import('tsx/esm/api');
  register();
  await import('./main.ts');
} else {
  await import('../dist/actors/main.js');
}
