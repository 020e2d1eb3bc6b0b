import { CascadeError, ConfigError, messageOf } from '../../engine/errors.ts';

/** `problem`: `serve` would fail. `warning`: it would work, but something is not as it should be, or remains to be done. */
export type Level = 'ok' | 'warning' | 'problem';

/** In the order in which they are checked. */
export type Area = 'configuration' | 'models' | 'data' | 'profile' | 'plan' | 'machine' | 'nats' | 'permissions' | 'ports';

/** One line of `cascade check`: a problem names file, field and value, and what would be right. */
export interface Finding {
  readonly level: Level;
  readonly area: Area;
  readonly message: string;
}

/** Findings in one area. */
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

  /** @returns undefined when there is a problem, which is then added. */
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

/** The worst level. */
export function verdictOf(findings: readonly Finding[]): Level {
  const levels = findings.map(({ level }) => level);
  if (levels.includes('problem')) return 'problem';
  return levels.includes('warning') ? 'warning' : 'ok';
}
