import type { z } from 'zod';

type Path = readonly PropertyKey[];

/** A value without the parts that do not match its schema, so that one wrong field does not hide other problems. */
export class SoundPart {
  #value: unknown;
  readonly #standIns: Readonly<Record<string, unknown>>;
  /** List, by its path in the file -> indexes of the removed items, ascending. */
  readonly #removed = new Map<string, number[]>();

  constructor(value: unknown, standIns: Readonly<Record<string, unknown>>) {
    this.#value = structuredClone(value);
    this.#standIns = standIns;
  }

  /** Each round removes something, or is the last. */
  parse<S extends z.ZodType>(schema: S): z.ZodSafeParseResult<z.output<S>> {
    for (;;) {
      const result = schema.safeParse(this.#value);
      if (result.success) return result;
      const [issue] = result.error.issues;
      const paths = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
      if (!paths.every((path) => this.remove(path))) return result;
    }
  }

  /** @returns false when nothing can be removed, because the whole value is wrong. */
  remove(path: Path): boolean {
    const [parentPath, key] = [path.slice(0, -1), path.at(-1)];
    if (key === undefined) return false;
    const parent = at(this.#value, parentPath);
    if (Array.isArray(parent)) {
      this.#note(path);
      parent.splice(Number(key), 1);
      return true;
    }
    if (!isObject(parent)) return this.remove(parentPath);
    if (Object.hasOwn(parent, key)) return Reflect.deleteProperty(parent, key);
    // Something required is missing, so remove the value that requires it.
    if (parentPath.length > 0) return this.remove(parentPath);
    const standIn = Object.hasOwn(this.#standIns, key) ? this.#standIns[String(key)] : undefined;
    if (standIn === undefined) return false;
    Reflect.set(parent, key, structuredClone(standIn));
    return true;
  }

  /** Path in the file of the value at `path` here. */
  pathInFile(path: Path): Path {
    const found: PropertyKey[] = [];
    for (const step of path) found.push(typeof step === 'number' ? this.#indexInFile(found, step) : step);
    return found;
  }

  #indexInFile(list: Path, index: number): number {
    let inFile = index;
    for (const removed of this.#removed.get(keyOf(list)) ?? []) if (removed <= inFile) inFile++;
    return inFile;
  }

  #note(path: Path): void {
    const inFile = this.pathInFile(path);
    const list = keyOf(inFile.slice(0, -1));
    const removed = [...(this.#removed.get(list) ?? []), Number(inFile.at(-1))];
    this.#removed.set(
      list,
      removed.sort((a, b) => a - b),
    );
  }
}

function keyOf(path: Path): string {
  return JSON.stringify(path.map(String));
}

function isObject(value: unknown): value is Readonly<Record<PropertyKey, unknown>> {
  return typeof value === 'object' && value !== null;
}

function at(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((inner, step) => (isObject(inner) && Object.hasOwn(inner, step) ? inner[step] : undefined), value);
}
