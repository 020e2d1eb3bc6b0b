import { relative } from 'node:path';

const LONGEST = 80;

/** Describes a value to people who must not see it. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a mapping' : `a ${typeof value}`;
}

/** A value of a deployment file as JSON, shortened to fit a message. */
export function shown(value: unknown): string {
  // JSON has no .inf or .nan.
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 3)}...` : text;
}

/** A path relative to the working directory, if it is below it. */
export function displayPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short === '' ? '.' : short.startsWith('..') ? path : short;
}
