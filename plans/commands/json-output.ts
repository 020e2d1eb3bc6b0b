import { writeFileSync } from 'node:fs';
import { ConfigError, messageOf } from '../../engine/errors.ts';

/** Serves `--json FILE` of every command: nothing without it, `-` is stdout. */
export function writeJson(file: string | undefined, value: unknown): void {
  if (file === undefined) return;
  const text = `${JSON.stringify(value, null, 2)}\n`;
  if (file === '-') process.stdout.write(text);
  else writeText('--json', file, text);
}

/** Writes what an option names a file for. @throws ConfigError */
export function writeText(option: string, file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw new ConfigError(`${option} ${file}: cannot be written: ${messageOf(error)}`);
  }
}
