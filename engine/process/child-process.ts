import { type ChildProcess, spawn } from 'node:child_process';
import { Observable } from 'rxjs';
import { runnableMs } from './processor-time.ts';
import { ProgressWatch } from './progress-watch.ts';

export interface ChildSpec {
  /** Arguments of Node: flags, program, its arguments. */
  readonly args: readonly string[];
  /** Added to the environment of this process. */
  readonly environment?: Readonly<Record<string, string>>;
  /** SIGKILL follows this long after SIGTERM. */
  readonly graceMs: number;
}

/** Messages from a child to its parent: READY once it is up; from then on, ALIVE at intervals from its main event loop. */
export const READY = 'ready';
export const ALIVE = 'alive';
export const ALIVE_INTERVAL_MS = 250;
/**
 * A child that is silent for `silentMs` makes no progress: it is stopped, or its event loop is blocked. If the machine gives it no
 * processor time, it has longer.
 */
const LIMITS = { checkMs: ALIVE_INTERVAL_MS, silentMs: 2_000, starvedMs: 10_000 };

/**
 * In MiB. By default, V8 lets each half of the space for new objects grow to 16 and keeps it, full of garbage. With less, it collects
 * more often, but not longer in total.
 */
const LEAN_HEAP = ['--max-semi-space-size=4'];
/**
 * By default, glibc uses an arena per thread, up to 8 per core, and memory in one is of no use to the others; and once a large block has
 * been freed, it keeps twice that much free memory. In bytes.
 */
const LEAN_MALLOC = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '1048576', MALLOC_TRIM_THRESHOLD_: '2097152' };

/** A child that exited without being asked to. */
export class ProcessEnded extends Error {
  override readonly name = 'ProcessEnded';
  readonly code: number | null;

  constructor(pid: number | undefined, code: number | null, signal: NodeJS.Signals | null, why = '') {
    super(`process ${pid} ended with ${signal ?? `code ${code}`}${why}`);
    this.code = code;
  }
}

/**
 * A child process as a stream: starts on subscription, emits its pid when it reports that it is ready, and errors when it exits on its
 * own, so that supervision restarts it. A child that was ready and makes no progress is killed; a ping answered by something else
 * inside it would prove nothing. `stopping$` sends SIGTERM; then its exit completes the stream.
 */
export function childProcess$(spec: ChildSpec, stopping$: Observable<void>): Observable<number> {
  return new Observable((subscriber) => {
    let stopping = false;
    let killTimer: NodeJS.Timeout | undefined;
    let stuck = false;
    const child = start(spec);
    let watch: ProgressWatch | undefined;
    const checks = setInterval(() => {
      const { pid } = child;
      if (stuck || pid === undefined || watch?.check(performance.now(), () => runnableMs(pid)) !== true) return;
      stuck = true;
      child.kill('SIGKILL');
    }, ALIVE_INTERVAL_MS);
    child.on('message', (message) => {
      if (message === ALIVE) watch?.heard();
      if (message !== READY) return;
      watch = new ProgressWatch(LIMITS, performance.now());
      subscriber.next(child.pid ?? 0);
    });
    // It has closed everything and is about to exit.
    child.on('disconnect', () => clearInterval(checks));
    child.on('error', (error) => subscriber.error(error));
    child.on('exit', (code, signal) => {
      clearTimeout(killTimer);
      clearInterval(checks);
      const why = stuck ? `: killed, as it made no progress for over ${LIMITS.silentMs} ms` : '';
      if (stopping) subscriber.complete();
      else subscriber.error(new ProcessEnded(child.pid, code, signal, why));
    });
    const stop = (): void => {
      stopping = true;
      child.kill('SIGTERM');
      killTimer = setTimeout(() => child.kill('SIGKILL'), spec.graceMs);
    };
    const subscription = stopping$.subscribe(stop);
    return () => {
      subscription.unsubscribe();
      if (child.exitCode === null && child.signalCode === null && !stopping) stop();
    };
  });
}

function start({ args, environment }: ChildSpec): ChildProcess {
  return spawn(process.execPath, [...LEAN_HEAP, ...args], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...LEAN_MALLOC, ...process.env, ...environment },
  });
}
