import { writeFileSync } from 'node:fs';
import { ConfigError, messageOf } from '../../engine/errors.ts';

/** Implements `--json FILE` for all commands: without it, does nothing; `-` is stdout. */
export function writeJson(file: string | undefined, value: unknown): void {
  if (file === undefined) return;
  const text = `${JSON.stringify(value, null, 2)}\n`;
  if (file === '-') process.stdout.write(text);
  else writeText('--json', file, text);
}

/** Writes the file named by an option. @throws ConfigError */
export function writeText(option: string, file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw new ConfigError(`${option} ${file}: cannot be written: ${messageOf(error)}`);
  }
}
