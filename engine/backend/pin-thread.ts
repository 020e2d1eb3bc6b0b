import { spawnSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { availableParallelism, getPriority, setPriority } from 'node:os';
import { messageOf } from '../errors.ts';

/** The lowest priority on Linux. */
const LOWEST_PRIORITY = 19;

let pinning: boolean | undefined;

/** Whether this system can pin threads to cores: Linux with taskset (util-linux). */
export function canPin(): boolean {
  pinning ??= process.platform === 'linux' && spawnSync('taskset', ['--version']).status === 0;
  return pinning;
}

/**
 * Pins the calling thread, and those that it starts from now on, to these cores. The other threads of the process are not pinned:
 * an event loop that shares a core with a long inference delays every message, and the inference too.
 * @returns what went wrong; undefined if it worked or this system cannot pin.
 */
export function pinThisThread(cores: readonly number[]): string | undefined {
  if (cores.length === 0 || !canPin()) return undefined;
  const { status, stderr, error } = spawnSync('taskset', ['-c', '-p', cores.join(','), String(thisThread())], {
    encoding: 'utf8',
  });
  return status === 0
    ? undefined
    : `the inference thread is not pinned to cores ${cores.join(', ')}: ${error === undefined ? stderr.trim() : messageOf(error)}`;
}

/**
 * Lowers the priority of the calling thread on machines whose inference threads take every core. At equal priority the scheduler
 * lets a long inference finish its slice first, and heartbeats and arrivals wait for milliseconds. On Linux priorities are per
 * thread, and threads that the runtime starts inherit this one's. Elsewhere the call would affect the whole process, so it does
 * nothing.
 *
 * Call it before `pinThisThread`: afterwards the pinned cores would count as all there are, though the event loop may have others.
 * @param threads inference threads of the machine.
 * @returns what went wrong; undefined if nothing did.
 */
export function yieldToEventLoop(threads: number): string | undefined {
  if (process.platform !== 'linux' || availableParallelism() > threads) return undefined;
  try {
    // Relative to the current priority: the process itself may have been started at a lower one.
    setPriority(thisThread(), Math.min(LOWEST_PRIORITY, getPriority(thisThread()) + 2));
    return undefined;
  } catch (error) {
    return `inference runs at normal priority: ${messageOf(error)}`;
  }
}

/** Linux's id of the calling thread; NaN elsewhere. */
export function thisThread(): number {
  if (process.platform !== 'linux') return Number.NaN;
  return Number(readlinkSync('/proc/thread-self').split('/').at(-1));
}
