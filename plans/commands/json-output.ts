import { writeWhole } from '../../engine/write-file.ts';

/** Implements `--json FILE` for all commands: without it, does nothing; `-` is stdout. */
export function writeJson(file: string | undefined, value: unknown): void {
  if (file === undefined) return;
  const text = `${JSON.stringify(value, null, 2)}\n`;
  if (file === '-') process.stdout.write(text);
  else writeWhole(file, text, `--json ${file}`);
}
