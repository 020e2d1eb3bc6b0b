import { relative } from 'node:path';

const LONGEST = 80;

/** What a value is, for people who must not see it. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a mapping' : `a ${typeof value}`;
}

/** A value of a deployment file, for people: as JSON, and not longer than a message can bear. */
export function shown(value: unknown): string {
  // JSON has neither .inf nor .nan.
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 3)}...` : text;
}

/** A path relative to where the person is, if below it. */
export function forPeople(path: string): string {
  const short = relative(process.cwd(), path);
  return short === '' ? '.' : short.startsWith('..') ? path : short;
}
