import { randomUUID } from 'node:crypto';

const CLAIM = 'CASCADE_CLAIM';

/** Gives the processes that are started with it one claim to their devices. */
export function claimEnvironment(): Readonly<Record<string, string>> {
  return { [CLAIM]: randomUUID() };
}

/** Whether a `serve` started this process, and waits to hear why it ends. */
export function claimWasGiven(): boolean {
  return process.env[CLAIM] !== undefined;
}

/** The claim of this process to its devices: that of whoever started it, else one of its own. */
export function claimOfProcess(): string {
  return process.env[CLAIM] ?? randomUUID();
}
