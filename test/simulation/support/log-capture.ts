import { type Logger, pino } from 'pino';

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly actor?: string;
  readonly reason?: string;
  readonly err?: { readonly message: string };
}

const ERROR = 50;
const LEVELS: Readonly<Record<number, string>> = { 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal' };

/** A process's logger that captures all lines, or only errors. */
export function capturingLogger(
  everything: boolean,
  said: (line: { level: string; text: string; isError: boolean }) => void,
): Logger {
  return pino(
    { base: null, timestamp: false, level: everything ? 'info' : 'error' },
    {
      write: (json: string) => {
        const { level, msg, actor, reason, err } = JSON.parse(json) as Line;
        const text = [actor, msg, err?.message ?? reason].filter((part) => part !== undefined).join(': ');
        said({ level: LEVELS[level] ?? String(level), text, isError: level >= ERROR });
      },
    },
  );
}
