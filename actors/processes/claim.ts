import { randomUUID } from 'node:crypto';

const CLAIM = 'CASCADE_CLAIM';

/** Gives all processes started with this environment a common claim to their devices. */
export function claimEnvironment(): Readonly<Record<string, string>> {
  return { [CLAIM]: randomUUID() };
}

/** Whether a `serve` command started this process, and evaluates its exit code. */
export function claimWasGiven(): boolean {
  return process.env[CLAIM] !== undefined;
}

/** This process's claim to its devices: that of the process that started it, else its own. */
export function claimOfProcess(): string {
  return process.env[CLAIM] ?? randomUUID();
}
