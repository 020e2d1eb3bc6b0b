import { readFileSync } from 'node:fs';

/** Linux counts in hundredths of a second here, on every machine. */
const TICK_MS = 10;

/**
 * Processor time so far of a process's main thread, which in Node is the event loop, when it runs or waits for a processor; undefined
 * when it sleeps, is stopped or has ended, and where the system does not tell.
 */
export function runnableMs(pid: number): number | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/task/${pid}/stat`, 'latin1');
  } catch {
    // No Linux, or no such process any more.
    return undefined;
  }
  // The program's name, in parentheses, may hold anything; fields 3, 14 and 15 of proc(5) come after it.
  const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return state === 'R' ? TICK_MS * (Number(rest[10]) + Number(rest[11])) : undefined;
}

/**
 * Time so far for which a thread of this process was ready to run and had no processor; undefined where the system does not tell.
 * @param thread the system's number of it.
 */
export function starvedMs(thread: number): number | undefined {
  try {
    // Nanoseconds on a processor, nanoseconds waiting for one, and how often (proc(5), schedstat).
    const [, waited] = readFileSync(`/proc/self/task/${thread}/schedstat`, 'latin1').split(' ');
    return Number(waited) / 1e6;
  } catch {
    // No Linux, no such thread any more, or a kernel without these statistics.
    return undefined;
  }
}
