import { CascadeError, ConfigError, messageOf } from '../../engine/errors.ts';

/** `problem`: `serve` would fail; `warning`: it would serve, but not all is as it should be, or something is still to be done. */
export type Level = 'ok' | 'warning' | 'problem';

/** In the order in which they are looked at. */
export type Area = 'configuration' | 'models' | 'data' | 'profile' | 'plan' | 'machine' | 'nats' | 'permissions' | 'ports';

/** One line of `cascade check`: a problem names file, field and value, and what would be right. */
export interface Finding {
  readonly level: Level;
  readonly area: Area;
  readonly message: string;
}

/** What is found in one area. */
export class Findings {
  readonly list: Finding[] = [];
  readonly #area: Area;

  constructor(area: Area) {
    this.#area = area;
  }

  ok(message: string): void {
    this.#add('ok', message);
  }

  warn(message: string): void {
    this.#add('warning', message);
  }

  problem(message: string): void {
    this.#add('problem', message);
  }

  /** @returns undefined where the answer is a problem, which is then found. */
  async attempt<T>(act: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof ConfigError) && !(error instanceof CascadeError)) throw error;
      this.problem(messageOf(error));
      return undefined;
    }
  }

  #add(level: Level, message: string): void {
    this.list.push({ level, area: this.#area, message });
  }
}

/** The worst level of all. */
export function verdictOf(findings: readonly Finding[]): Level {
  const levels = findings.map(({ level }) => level);
  if (levels.includes('problem')) return 'problem';
  return levels.includes('warning') ? 'warning' : 'ok';
}
