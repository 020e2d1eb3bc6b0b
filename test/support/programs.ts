import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The path of a program; undefined if it is not on the PATH. */
export function onPath(name: string): string | undefined {
  const found = (process.env.PATH ?? '').split(delimiter).find((folder) => existsSync(join(folder, name)));
  return found && join(found, name);
}

/** The path of an optional program. If it is missing, says so and returns undefined, and the tests that need it are skipped. */
export function findProgram(name: string): string | undefined {
  const found = onPath(name);
  if (found === undefined) process.stderr.write(`${name} is not on the PATH: tests that need it are skipped\n`);
  return found;
}
