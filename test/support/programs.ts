import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where a program is; undefined where it is not on the PATH. */
export function onPath(name: string): string | undefined {
  const found = (process.env.PATH ?? '').split(delimiter).find((folder) => existsSync(join(folder, name)));
  return found && join(found, name);
}

/** Where a program is that tests can do without; undefined, and said, where it is not: the tests that need it are skipped. */
export function findProgram(name: string): string | undefined {
  const found = onPath(name);
  if (found === undefined) process.stderr.write(`${name} is not on the PATH: tests that need it are skipped\n`);
  return found;
}
