import { spawnSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { availableParallelism, getPriority, setPriority } from 'node:os';
import { messageOf } from '../errors.ts';

/** The lowest priority that Linux knows. */
const LOWEST_PRIORITY = 19;

let pinning: boolean | undefined;

/** Whether this system can pin threads to cores: Linux with taskset (util-linux). */
export function canPin(): boolean {
  pinning ??= process.platform === 'linux' && spawnSync('taskset', ['--version']).status === 0;
  return pinning;
}

/**
 * Pins the calling thread, and those that it starts from now on, to these cores. The other threads of the process stay free: an
 * event loop that shares the core with a long inference delays every message, and the inference as well.
 * @returns what went wrong, in words; undefined when it worked or where this system cannot pin.
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
 * For a machine that has no core beside those of its inference threads. Without a difference in priority the scheduler lets a long
 * inference finish its slice first, and heartbeats and arrivals wait for milliseconds. On Linux priorities are per thread, and
 * threads that the runtime starts inherit this one's. Elsewhere the number would mean the whole process: left alone.
 *
 * To be called before `pinThisThread`: a pinned thread has no other core in any case, though the event loop may.
 * @param threads inference threads of the machine.
 * @returns what went wrong, in words.
 */
export function yieldToEventLoop(threads: number): string | undefined {
  if (process.platform !== 'linux' || availableParallelism() > threads) return undefined;
  try {
    // From where we are: a process may have been started at a lower priority itself.
    setPriority(thisThread(), Math.min(LOWEST_PRIORITY, getPriority(thisThread()) + 2));
    return undefined;
  } catch (error) {
    return `inference runs at normal priority: ${messageOf(error)}`;
  }
}

/** Linux's number of the calling thread; NaN elsewhere. */
export function thisThread(): number {
  if (process.platform !== 'linux') return Number.NaN;
  return Number(readlinkSync('/proc/thread-self').split('/').at(-1));
}
