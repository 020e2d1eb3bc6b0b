import { readFileSync } from 'node:fs';

const CHECK_INTERVAL_MS = 500;

/**
 * Resolves when npm, which started this process (`npx ... serve`, `npm run demo`), has exited. npm does not forward SIGTERM: it exits
 * alone, and we would run on without a parent. Never resolves for a process started in another way: a server that was put in the
 * background on purpose outlives its shell.
 */
export function launcherEnded(environment: NodeJS.ProcessEnv = process.env): Promise<void> {
  return new Promise((resolve) => {
    if (environment.npm_command === undefined) return;
    // npm starts a shell, which starts us and may outlive npm.
    const parent = process.ppid;
    const grandparent = parentOf(parent);
    const timer = setInterval(() => {
      if (process.ppid === parent && parentOf(parent) === grandparent) return;
      clearInterval(timer);
      resolve();
    }, CHECK_INTERVAL_MS);
    timer.unref();
  });
}

/** Undefined for a process that has exited, and on systems without /proc, where only our own parent can be watched. */
function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command, in parentheses, may contain anything; after it come the state and the parent.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}
