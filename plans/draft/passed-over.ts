import { relative } from 'node:path';
import { messageOf } from '../../engine/errors.ts';

/** Files that a draft does without, and why. */
export class PassedOver {
  readonly #root: string;
  readonly #reasons = new Map<string, string>();

  constructor(root: string) {
    this.#root = root;
  }

  /** How files are called: by their path in the folder. */
  name(file: string): string {
    return relative(this.#root, file);
  }

  /** @param reason why; an error's message may begin with the file, which is not said twice. */
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

  /** `train-log.jsonl: passed over: line 1 has no inputs` */
  lines(): readonly string[] {
    return Array.from(this.#reasons, ([name, reason]) => `${name}: passed over: ${reason}`);
  }
}
