import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Whether a program is on the PATH. One that is not is said, as the tests that need it are skipped. */
export function hasProgram(name: string, from?: string): boolean {
  const isThere = (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, name)));
  if (!isThere)
    process.stderr.write(`${name} is not on the PATH${from === undefined ? '' : ` (${from})`}: tests that need it are skipped\n`);
  return isThere;
}
