import type { Supervisor } from '../../engine/actor/supervisor.ts';
import type { Bus } from '../../engine/bus/bus.ts';
import { realClock } from '../../engine/clock.ts';
import type { Logger } from '../../engine/log.ts';
import { ALIVE, ALIVE_INTERVAL_MS, READY } from '../../engine/process/child-process.ts';
import { launcherEnded } from '../../engine/process/launcher.ts';
import { setPhase } from './health.ts';

const PARENT_IS_GONE = 'parent is gone';

/** Time for draining at the end; what is not done then is cut off. */
export const DRAIN_MS = 30_000;
/** A part of the deployment that failed so often without having been ready once is given up. */
export const MAX_FAILED_STARTS = 3;

/** Tells the parent process, if we have one that listens, and from then on that this event loop still turns. */
export function reportReady(): void {
  setPhase('ready');
  if (!process.connected) return;
  process.send?.(READY);
  let underWay = false;
  const timer = setInterval(() => {
    // A parent that does not read must not make us hoard what it has not read.
    if (!process.connected || underWay) return;
    underWay = true;
    process.send?.(ALIVE, undefined, undefined, () => {
      underWay = false;
    });
  }, ALIVE_INTERVAL_MS);
  timer.unref();
}

/**
 * Resolves when this process is asked to end: SIGTERM; Ctrl-C or a terminal that closes (SIGHUP), unless a parent process is there
 * to end us in its order; or the parent process, or the npm that started us, is gone.
 */
export function askedToStop(): Promise<string> {
  return new Promise((stop) => {
    const resolve = (why: string): void => {
      setPhase('draining');
      stop(why);
    };
    process.on('SIGTERM', () => resolve('SIGTERM'));
    // The second Ctrl-C does not wait for the drain: it finds no listener, and the system ends us, without the aborts of an exit
    // during an inference. Our children notice that we are gone.
    if (process.send === undefined) {
      process.once('SIGINT', () => resolve('SIGINT'));
      process.on('SIGHUP', () => resolve('SIGHUP'));
      void launcherEnded().then(() => resolve('npm, which started this process, has ended'));
    } else {
      process.on('SIGINT', () => undefined);
      process.on('SIGHUP', () => undefined);
    }
    process.on('disconnect', () => resolve(PARENT_IS_GONE));
    // It may have gone while we were being started.
    if (process.send !== undefined && !process.connected) resolve(PARENT_IS_GONE);
  });
}

/** Runs a process with its connection. However that ends, the connection is closed: an open one would keep the process alive. */
export async function runConnected(connecting: Promise<Bus>, run: (bus: Bus) => Promise<void>): Promise<void> {
  const bus = await connecting;
  try {
    await run(bus);
  } finally {
    await leave(bus);
  }
}

/**
 * Runs a role until the process is asked to stop or one of its actors is given up; then drains its parts, one after the other,
 * all within the same time.
 * @throws ConfigError when an actor finds that it cannot do what the deployment asks of it; ActorGivenUp when one died too often.
 *   Whoever supervises this process may start it again.
 */
export async function runUntilShutdown(parts: readonly Supervisor[], log: Logger): Promise<void> {
  const why = await Promise.race([askedToStop(), ...parts.map(({ failed }) => failed)]);
  log.info({ why: why instanceof Error ? why.message : why }, 'draining');
  const endsAt = realClock.now() + DRAIN_MS;
  for (const part of parts) {
    const cutOff = await part.stop(Math.max(0, endsAt - realClock.now()));
    for (const actor of cutOff) log.error({ actor }, `not drained within ${DRAIN_MS} ms; cut off`);
  }
  if (why instanceof Error) throw why;
}

/** Closes the bus, and lets go of the parent process: its channel would keep this one alive. */
export async function leave(bus: Bus): Promise<void> {
  await bus.close();
  if (process.connected) process.disconnect();
}
