import { relative } from 'node:path';
import { messageOf } from '../../engine/errors.ts';

/** Files that a draft does not use, and why. */
export class PassedOver {
  readonly #root: string;
  readonly #reasons = new Map<string, string>();

  constructor(root: string) {
    this.#root = root;
  }

  /** What to call a file: its path in the folder. */
  name(file: string): string {
    return relative(this.#root, file);
  }

  /** @param reason why; if an error's message starts with the file, that part is dropped. */
  add(file: string, reason: unknown): void {
    const name = this.name(file);
    const base = name.slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf('\\')) + 1);
    let text = messageOf(reason);
    for (const prefix of [file, name, base]) if (text.startsWith(prefix)) text = text.slice(prefix.length);
    text = text
      .replace(/^:(\d+) /, 'line $1 ')
      .replace(/^(#\S+)? ?\([\w.]+\)/, '')
      .replace(/^:/, '')
      .trim();
    this.#reasons.set(name, text);
  }

  has(file: string): boolean {
    return this.#reasons.has(this.name(file));
  }

  /** `train-log.jsonl: not used: line 1 has no inputs` */
  lines(): readonly string[] {
    return Array.from(this.#reasons, ([name, reason]) => `${name}: not used: ${reason}`);
  }
}
