import { destination, type Logger, pino } from 'pino';

export type { Logger };

/** Structured log lines on stderr, because stdout is for results. Nothing is logged per request. */
export function createLogger(name: string, level = 'info'): Logger {
  return pino({ name, level, base: { pid: process.pid } }, destination({ dest: 2, sync: true }));
}

export const silentLogger: Logger = pino({ enabled: false });
