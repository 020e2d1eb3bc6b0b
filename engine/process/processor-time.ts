import { readFileSync } from 'node:fs';

/** Linux reports these in hundredths of a second on every machine. */
const TICK_MS = 10;

/**
 * Processor time so far of a process's main thread, which in Node is the event loop, if it runs or waits for a processor. Undefined when
 * it sleeps, is stopped or has exited, and on systems that do not report it.
 */
export function runnableMs(pid: number): number | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/task/${pid}/stat`, 'latin1');
  } catch {
    // Not Linux, or the process is gone.
    return undefined;
  }
  // The program's name, in parentheses, may contain anything; fields 3, 14 and 15 of proc(5) follow it.
  const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return state === 'R' ? TICK_MS * (Number(rest[10]) + Number(rest[11])) : undefined;
}

/**
 * Time so far for which a thread of this process was ready to run but had no processor; undefined on systems that do not report it.
 * @param thread its number in the system.
 */
export function starvedMs(thread: number): number | undefined {
  try {
    // Nanoseconds on a processor, nanoseconds waiting for one, and how often (proc(5), schedstat).
    const [, waited] = readFileSync(`/proc/self/task/${thread}/schedstat`, 'latin1').split(' ');
    return Number(waited) / 1e6;
  } catch {
    // Not Linux, the thread is gone, or the kernel lacks these statistics.
    return undefined;
  }
}
